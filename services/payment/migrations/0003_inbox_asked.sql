-- What the answered command asked for, as a number: a command that comes again must ask for the same. Null where that
-- is not known: the answer was given before there was this column, or to a command that had not come.
alter table inbox add column asked bigint;
