"""What is done to a PostgreSQL database as a whole: check and repair."""
