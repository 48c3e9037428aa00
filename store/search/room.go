package search

import "context"

type roomKey struct{}

// WithRoom makes searches under ctx tell room how many more bytes of their answers they keep in memory, and with a number below 0 how many fewer. An
// *[Error] of it is the search's.
func WithRoom(ctx context.Context, room func(bytes int64) error) context.Context {
	return context.WithValue(ctx, roomKey{}, room)
}

func (x *running) room(bytes int) error {
	if room, ok := x.ctx.Value(roomKey{}).(func(int64) error); ok {
		return room(int64(bytes))
	}
	return nil
}
