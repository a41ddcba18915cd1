"""An operation of the contract, compiled from all parts above, and Connexion's routing to it."""
