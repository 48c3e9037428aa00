package follow

import "slices"

// A log is what rotations have made of one name: only there copies are looked for. Its contents are
// changed by its shard alone, with the shard's mu, and may be read by others with it. Files are welcomed by the
// tracker too, so the shard itself looks for a log with its mu.
type log struct {
	contents []*content // those with copies to come as well
	fresh    []*file    // those of which it is not known yet what they hold
}

// mostKin bounds how many of a log's contents, or files, are compared: somebody may make thousands.
const mostKin = 256

func newest[T any](list []T) []T { return list[max(0, len(list)-mostKin):] }

func (s *shard) logOf(path string) *log {
	name, _ := stem(path)
	l := s.logs[name]
	if l == nil {
		l = &log{}
		s.logs[name] = l
	}
	return l
}

// tidy forgets a log that has nothing.
func (s *shard) tidy(path string) {
	name, _ := stem(path)
	if l := s.logs[name]; l != nil && len(l.contents) == 0 && len(l.fresh) == 0 {
		delete(s.logs, name)
	}
}

// kin are the contents of the log to which path belongs. It is the shard's; others hold mu and call kinOf.
func (s *shard) kin(path string) []*content {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kinOf(path)
}

func (s *shard) kinOf(path string) []*content {
	name, _ := stem(path)
	if l := s.logs[name]; l != nil {
		return newest(l.contents)
	}
	return nil
}

// welcome is told of a new file, known that it is known what it holds.
func (s *shard) welcome(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.log = f.path()
	l := s.logOf(f.log)
	l.fresh = append(l.fresh, f)
}

func (s *shard) known(f *file) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.log == "" {
		return
	}
	l := s.logOf(f.log)
	l.fresh = slices.DeleteFunc(l.fresh, func(o *file) bool { return o == f })
	s.tidy(f.log)
	f.log = ""
}

// list puts c into the log of its path, unlist takes it out.
func (s *shard) list(c *content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.log = c.rec.Path
	l := s.logOf(c.log)
	l.contents = append(l.contents, c)
}

func (s *shard) unlist(c *content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.log == "" {
		return
	}
	l := s.logOf(c.log)
	l.contents = slices.DeleteFunc(l.contents, func(o *content) bool { return o == c })
	s.tidy(c.log)
	c.log = ""
}

// awaits says whether a copy of c may be among the files that have had no turn yet.
func (s *shard) awaits(c *content) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name, _ := stem(c.log)
	l := s.logs[name]
	return l != nil && slices.ContainsFunc(newest(l.fresh), func(f *file) bool {
		return f.size.Load() > 0 && maybeCopy(f.path(), c.rec.Path, true)
	})
}

// renamed notes the name of the file that holds c.
func (s *shard) renamed(c *content, path string) {
	if c.rec.Path == path {
		return
	}
	s.run.positions.renamed(c, path)
	if !sameLog(c.log, path) {
		s.unlist(c)
		s.list(c)
	}
}

// all returns the shard's contents.
func (s *shard) all() (all []*content) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.logs {
		all = append(all, l.contents...)
	}
	return all
}
