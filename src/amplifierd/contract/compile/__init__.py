"""Compiles the operations of the contract from all parts above, and routes requests to them with Connexion."""
