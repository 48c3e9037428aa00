package query

// Regexp returns a test for texts that a regular expression of Lucene's covers as a whole, for what is none of a
// query's.
func Regexp(pattern string) (test func(text string) bool, err error) {
	if len(pattern) > maxRegexp {
		return nil, illegal("The length of regex [%d] exceeds the allowed maximum of [%d]", len(pattern), maxRegexp)
	}
	return Pattern{Kind: "regexp", Text: pattern}.tester()
}
