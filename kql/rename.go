package kql

// Rename returns the query with other fields asked in place of some. as gets the name of each field that is asked, without *, and the
// value that it is to have, "" if it is compared, only has to be there, or is given with *. It returns the fields that are meant, any of
// which will do, and their values likewise; without fields all stays as it is, without values the value does. With too
// the field itself will do as well.
func (q *Query) Rename(as func(field, value string) (fields, values []string, too bool)) *Query {
	if q.root == nil {
		return q
	}
	other := *q
	other.root = rename(q.root, as)
	return &other
}

func rename(n node, as func(field, value string) (fields, values []string, too bool)) node {
	switch n := n.(type) {
	case and:
		return and(renameAll(n, as))
	case or:
		return join[or](renameAll(n, as))
	case not:
		return negate(rename(n.node, as))
	case leaf:
		if n.field.none() || n.field.pattern() {
			return n
		}
		plain := n.is == has && !n.value.pattern()
		value := ""
		if plain {
			value = n.value.text()
		}
		fields, values, too := as(n.field.text(), value)
		if len(fields) == 0 {
			return n
		}
		var either or
		if too {
			either = or{n}
		}
		for _, field := range fields {
			l := n
			l.field = term{pieces: []string{field}}
			if !plain || len(values) == 0 {
				either = append(either, l)
				continue
			}
			for _, v := range values {
				l.value = term{pieces: []string{v}, quoted: true}
				either = append(either, l)
			}
		}
		return join[or](either)
	}
	return n // below a path names are those of its objects
}

func renameAll(nodes []node, as func(field, value string) (fields, values []string, too bool)) []node {
	all := make([]node, len(nodes))
	for i, n := range nodes {
		all[i] = rename(n, as)
	}
	return all
}
