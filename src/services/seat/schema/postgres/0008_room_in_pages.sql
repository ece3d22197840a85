-- Each seat that is sold is written twice, held and then sold: with half a page left empty its second version finds room
-- beside it. With less, every other one had a new entry in the index.
ALTER TABLE seat SET (fillfactor = 50);
-- A row lives for some minutes. It is neither compressed nor, unless it is larger than a page, cut into pieces.
ALTER TABLE change SET (toast_tuple_target = 8160);
ALTER TABLE change ALTER COLUMN seats SET STORAGE EXTERNAL;
