package block

// Single says whether every row has one value, so that values have the numbers of their rows.
func (c *Column) Single() bool { return c.place().single }
