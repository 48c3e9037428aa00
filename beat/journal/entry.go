package journal

// An Entry is one entry of the journal as its file has it. What a reader hands out is the
// caller's: nothing in it changes afterwards.
type Entry struct {
	Cursor    string // systemd's text form: s=…;i=…;b=…;m=…;t=…;x=…
	SeqnumID  string // the chain of sequence numbers, 32 hexadecimal digits
	Seqnum    uint64 // its number in the chain, from 1, without holes in an undamaged journal
	BootID    string // 32 hexadecimal digits
	Realtime  uint64 // when journald received it, microseconds since 1970 UTC
	Monotonic uint64 // the same since BootID's boot, microseconds
	Fields    []Field
}

// A Field is one FIELD=value of an entry. Values may hold any bytes; names may repeat.
type Field struct {
	Name, Value string
}

// Get returns the value of the first field called name, or "".
func (e *Entry) Get(name string) string {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return e.Fields[i].Value
		}
	}
	return ""
}

// bytes is the size of the fields, as the export format counts it.
func (e *Entry) bytes() uint64 {
	n := 0
	for i := range e.Fields {
		n += len(e.Fields[i].Name) + 1 + len(e.Fields[i].Value)
	}
	return uint64(n)
}
