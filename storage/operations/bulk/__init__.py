"""Operations too large for one transaction: each is done in pieces, with other writes between them."""
