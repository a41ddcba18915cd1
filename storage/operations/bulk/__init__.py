"""Operations too large for one transaction: each is done in pieces, between which others write."""
