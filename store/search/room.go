package search

import "context"

type roomKey struct{}

// WithRoom makes searches under ctx ask room for memory for so many more bytes of documents, or tell it, with a number below 0, of what they have given back.
// It may be called by several goroutines; an *[Error] of it is the search's.
func WithRoom(ctx context.Context, room func(bytes int64) error) context.Context {
	return context.WithValue(ctx, roomKey{}, room)
}

func (x *running) room(bytes int64) error {
	if room, ok := x.ctx.Value(roomKey{}).(func(int64) error); ok {
		return room(bytes)
	}
	return nil
}
