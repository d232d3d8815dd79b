package store

import (
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLogger gives etcd a logger for warnings on standard error. A message that repeats is cut to a few a
// second: after a kill etcd writes thousands of the same while it replays. Fatal and panicking lines, of any
// goroutine and whatever the level, go to die, which must not return.
func newLogger(level zap.AtomicLevel, die func(error)) *zap.Logger {
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.Lock(os.Stderr), level)
	core = zapcore.NewSamplerWithOptions(core, time.Second, 3, 0)
	end := deathHook{die}
	return zap.New(core, zap.WithFatalHook(end), zap.WithPanicHook(end)).Named("store")
}

type deathHook struct{ die func(error) }

// OnWrite implements zapcore.CheckWriteHook: it runs after the line was written.
func (h deathHook) OnWrite(entry *zapcore.CheckedEntry, fields []zapcore.Field) {
	err := errors.New(entry.Message)
	for _, field := range fields {
		if cause, ok := field.Interface.(error); ok && field.Type == zapcore.ErrorType {
			err = fmt.Errorf("%s: %w", entry.Message, cause)
		}
	}
	h.die(err)
}
