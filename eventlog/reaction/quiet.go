package reaction

import (
	"context"
	"log/slog"
)

// quiet lets only warnings and errors of Watermill through: it narrates every start
// and stop at Info.
func quiet(logger *slog.Logger) *slog.Logger {
	return slog.New(quietHandler{logger.Handler()})
}

type quietHandler struct{ slog.Handler }

// Enabled is the one method that differs.
func (h quietHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && h.Handler.Enabled(ctx, level)
}

func (h quietHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietHandler{h.Handler.WithAttrs(attrs)}
}

func (h quietHandler) WithGroup(name string) slog.Handler {
	return quietHandler{h.Handler.WithGroup(name)}
}
