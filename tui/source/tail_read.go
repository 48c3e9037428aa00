package source

import (
	"context"
	"slices"
	"sort"
	"time"
)

// skip leaves out the oldest of what is lacking, where that is more than a tail gets after, and counts these documents.
func (t *Tail) skip(ctx context.Context, c clock, lacking []tally, now time.Time) ([]tally, error) {
	over := missing(lacking) - tailBehind
	if over <= 0 {
		return lacking, nil
	}
	skipped := int64(0)
	for over > 0 && len(lacking) > 0 {
		first := lacking[0]
		switch n := first.has - first.known; {
		case n <= over:
			skipped += n
			over -= n
			lacking = lacking[1:]
		case first.to-first.from == 1: // documents of one instant are not divided
			over = 0
		default:
			finer, _, err := t.count(ctx, c, lacking[:1])
			if err != nil {
				return nil, err
			}
			finer = t.lacking(finer, now)
			over += missing(finer) - n
			lacking = append(finer, lacking[1:]...)
		}
	}
	t.skipped += skipped
	if len(lacking) > 0 {
		t.raise(lacking[0].from)
	}
	return lacking, nil
}

// read reads the oldest of what is lacking, as much as is a batch, and says which pieces these are. Of pieces most of which is known
// it reads first which documents they have, then those that are new.
func (t *Tail) read(ctx context.Context, c clock, lacking []tally, now time.Time) (read []tally, rows []*Row, err error) {
	for len(lacking) > 0 && lacking[0].has > tailPage {
		if lacking[0].to-lacking[0].from == 1 {
			rows, err = t.drain(ctx, lacking[0])
			return lacking[:1], rows, err
		}
		finer, _, err := t.count(ctx, c, lacking[:1])
		if err != nil {
			return nil, nil, err
		}
		lacking = append(t.lacking(finer, now), lacking[1:]...)
	}
	var news, mixed []tally
	var ofNews, ofMixed int64
	for _, p := range lacking[:min(len(lacking), tailRanges)] {
		list, sum, most := &news, &ofNews, int64(tailPage)
		if p.known > 2*(p.has-p.known) {
			list, sum, most = &mixed, &ofMixed, 2*tailPage
		}
		if *sum += p.has; *sum > most {
			break
		}
		*list = append(*list, p)
		read = append(read, p)
	}
	if len(mixed) > 0 {
		if rows, err = t.among(ctx, c, mixed); err != nil {
			return nil, nil, err
		}
	}
	if len(news) > 0 {
		more, _, err := t.rows(ctx, c, news, t.query.Fields, nil)
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, more...)
	}
	return read, rows, nil
}

// among are the documents of pieces that are not known.
func (t *Tail) among(ctx context.Context, c clock, pieces []tally) ([]*Row, error) {
	rows, _, err := t.rows(ctx, c, pieces, []string{}, nil)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, row := range rows {
		if !t.ledger.has(t.entry(row)) {
			ids = append(ids, row.ID)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	rows, _, err = t.rows(ctx, c, pieces, t.query.Fields, map[string]any{"ids": map[string]any{"values": ids}})
	return rows, err
}

// rows are the documents of pieces, and as many more as may have become visible since these were counted.
func (t *Tail) rows(ctx context.Context, c clock, pieces []tally, fields []string, filter any) (rows []*Row, whole bool, err error) {
	size := 1000
	for _, p := range pieces {
		size += int(p.has)
	}
	a, err := t.source.search(ctx, t.source.pattern(t.query), map[string]any{
		"size": size, "track_total_hits": false, "sort": t.source.order(c, Newer),
		"_source": t.source.included(fields), "query": t.where(c, merged(pieces), filter),
	})
	if err != nil {
		return nil, false, err
	}
	rows = t.source.rows(c, a.Hits)
	// An index that keeps its times in another way than those before it is known as such a minute later: till then its rows wait.
	rows = slices.DeleteFunc(rows, func(row *Row) bool {
		at := row.Time.UnixMilli()
		i := sort.Search(len(pieces), func(i int) bool { return pieces[i].to > at })
		return i == len(pieces) || pieces[i].from > at
	})
	return rows, len(a.Hits) < size && a.Partial == "", nil
}

// drain reads the documents of one instant, which no filter divides further, page by page, up to as many new ones as a tail gets after.
func (t *Tail) drain(ctx context.Context, instant tally) ([]*Row, error) {
	query := t.query
	query.From, query.To = time.UnixMilli(instant.from), time.UnixMilli(instant.to)
	view := t.source.View(query)
	defer view.Close(context.WithoutCancel(ctx))
	var news []*Row
	var last *Row
	for len(news) < tailBehind {
		page, err := view.After(ctx, last, tailPage)
		if err != nil {
			return nil, err
		}
		for _, row := range page.Rows {
			if last = row; !t.ledger.has(t.entry(row)) {
				news = append(news, row)
			}
		}
		if page.End || len(page.Rows) == 0 {
			break
		}
	}
	return news, nil
}

// forget notices that documents are not there any more, as those of an index that was deleted: what comes late in their place would
// not show in the counts. A copy of a shard that is behind for a moment is no reason; the documents stay known in any case.
func (t *Tail) forget(ctx context.Context, c clock, tallies []tally, from, to int64) error {
	there := int64(0)
	for _, p := range tallies {
		there += min(p.has, p.known)
	}
	if there >= t.ledger.count(from, to) {
		t.missed = 0
		return nil
	}
	if t.missed++; t.missed < 3 {
		return nil
	}
	t.missed = 0
	var short []tally
	sum := int64(0)
	for i, p := range tallies {
		t.ledger.leave(from, p.from, nil) // nothing is between the pieces
		from = p.to
		if p.has < p.known && sum+p.has <= tailPage && len(short) < tailRanges {
			short = append(short, tallies[i])
			sum += p.has
		}
	}
	t.ledger.leave(from, to, nil)
	if len(short) == 0 {
		return nil
	}
	rows, whole, err := t.rows(ctx, c, short, []string{}, nil)
	if err != nil || !whole {
		return err
	}
	here := make([]entry, len(rows))
	for i, row := range rows {
		here[i] = t.entry(row)
	}
	for _, p := range short {
		t.ledger.leave(p.from, p.to, here)
	}
	return nil
}
