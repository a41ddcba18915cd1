"""How far counts go."""

# What JSON carries without loss (RFC 7493, section 2.2). A sum past that stays there.
MOST = 2**53 - 1
