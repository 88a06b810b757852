package libchdb

import (
	"context"
	"errors"
	"strings"
)

// Stream runs a query and hands each piece of its answer, a run of whole blocks, to
// emit, which must not keep it. The end of ctx ends the query at the next block.
func (s *Session) Stream(ctx context.Context, text, format string, parameters map[string]string, emit func([]byte) error) (Stats, error) {
	var total Stats
	stream := s.call(s.lib.stream, text, format, parameters)
	if stream == 0 {
		return total, errNoResult
	}
	defer s.lib.destroy(stream)
	if text := s.lib.failure(stream); text != "" {
		return total, streamError(text)
	}
	for {
		if err := ctx.Err(); err != nil {
			s.lib.cancel(s.handle, stream)
			return total, err
		}
		more, err := s.next(stream, &total, emit)
		if err != nil || !more {
			return total, err
		}
	}
}

// next emits one piece; more is false behind the last.
func (s *Session) next(stream uintptr, total *Stats, emit func([]byte) error) (more bool, err error) {
	piece := s.lib.fetch(s.handle, stream)
	if piece == 0 {
		return false, errNoResult
	}
	defer s.lib.destroy(piece)
	if text := s.lib.failure(piece); text != "" {
		return false, errors.New(text)
	}
	total.add(s.stats(piece))
	bytes := s.view(piece)
	if len(bytes) == 0 {
		return false, nil
	}
	if err := emit(bytes); err != nil {
		s.lib.cancel(s.handle, stream)
		return false, err
	}
	return true, nil
}

func streamError(text string) error {
	if strings.Contains(strings.ToLower(text), ErrNoStream.Error()) {
		return ErrNoStream
	}
	return errors.New(text)
}
