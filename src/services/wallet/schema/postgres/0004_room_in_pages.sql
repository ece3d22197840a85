-- Room in each page lets a wallet's next version stay beside it, without a new entry in the index.
ALTER TABLE wallet SET (fillfactor = 85);
