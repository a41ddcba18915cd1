"""Export and import: sessions on their way out of a storage and into one, in constant memory."""
