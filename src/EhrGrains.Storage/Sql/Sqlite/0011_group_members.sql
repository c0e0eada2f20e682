-- When the Group of a cohort named the member last; null: a roster or a message named it, and no Group can take it away.
ALTER TABLE cohort_members ADD COLUMN named_us INTEGER;
