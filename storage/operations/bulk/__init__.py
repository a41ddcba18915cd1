"""Operations that are too large for one transaction: they run in pieces, with other writes between them."""
