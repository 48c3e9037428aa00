// Package block turns documents into columnar blocks and back, byte for byte. It does no I/O.
//
// A document is cut into its shape, which is its JSON text with a mark in place of each scalar, and its
// scalars. A block keeps each distinct shape once, and for each flattened path ("kubernetes.pod.name") a column of
// what stood at the marks:
//
//	const    one token for all
//	dict     the distinct tokens, and a code for each value
//	ints     integers, times, and strings that are a prefix and a number, as differences
//	text     the tokens themselves, in zstd chunks that can be read alone, with a bloom filter of values and words
//
// The rows are sorted by stream (the host, pod and file that a document comes from) and time, so that what
// resembles each other stands together. Which values a row has is known from its shape: an array is several values, an
// empty object or array none.
//
// Encode makes the parts of a block, Open reads them through a function that loads a part when it is needed, and Of
// gives documents that are in no block yet the same API. A Segment may be used by several goroutines.
package block

// A Doc is a document and what is known about it.
type Doc struct {
	ID      string
	Source  []byte // its JSON, as it came: never changed, and not to be changed by the reader
	Time    int64  // nanoseconds since 1970: of @timestamp, or of its arrival
	Seq     int64  // its place among all writes to the index
	Version int64  // 1, and one more for each time the document was written anew
}

// Kind is what a JSON scalar is.
type Kind uint8

// The kinds of scalars.
const (
	String Kind = iota
	Number
	Bool
	Null
)

// A Value is a JSON scalar.
type Value struct {
	Kind Kind
	Text string // of a string the text it stands for, without quotes and escapes; of others the token: 1.0, -0, true, null
}

// ID is the path of the column that has the documents' ids. No field can be called like that: Elasticsearch refuses
// documents with such a member.
const ID = "_id"

// MaxRows is how many documents a block can have.
const MaxRows = 1 << 20

// MaxBytes is how long the ids and sources of a block's documents may be together.
const MaxBytes = 1 << 30

// class is how a token is kept: the text of a string without its quotes, or the token.
type class uint8

const (
	plain   class = iota // a string whose text needs no escape
	escaped              // a string with escapes, which are kept
	bare                 // a number, true, false or null
)

// token is a scalar as it is kept.
type token struct {
	text  string
	class class
}

func (t token) value() Value {
	switch t.class {
	case plain:
		return Value{String, t.text}
	case escaped:
		return Value{String, unescape(t.text)}
	}
	switch t.text[0] {
	case 't', 'f':
		return Value{Bool, t.text}
	case 'n':
		return Value{Null, t.text}
	}
	return Value{Number, t.text}
}

func (t token) isNull() bool { return t.class == bare && t.text == "null" }

// append adds the token as it stood in the document.
func (t token) append(to []byte) []byte {
	if t.class == bare {
		return append(to, t.text...)
	}
	to = append(to, '"')
	to = append(to, t.text...)
	return append(to, '"')
}
