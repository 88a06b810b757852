// Package libchdb binds ClickHouse as a library, without cgo.
//
// A process opens one Library and one data folder. A Session runs one statement at
// a time; sessions of one process run in parallel.
package libchdb

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Library is a loaded libchdb. Handles of the C side are kept as uintptr: they are
// never dereferenced here, except for the session's own pointer.
type Library struct {
	path string // the data folder

	signals func(enabled int32)
	connect func(argc int32, argv unsafe.Pointer) uintptr
	close   func(session uintptr)

	query       func(session uintptr, text unsafe.Pointer, textLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) uintptr
	stream      func(session uintptr, text unsafe.Pointer, textLen uintptr, format unsafe.Pointer, formatLen uintptr, names, nameLens, values, valueLens unsafe.Pointer, count uintptr) uintptr
	fetch       func(session, stream uintptr) uintptr
	cancel      func(session, stream uintptr)
	classify    func(session uintptr, text unsafe.Pointer, textLen uintptr, database unsafe.Pointer, databaseLen uintptr, out unsafe.Pointer) int32
	destroy     func(result uintptr)
	buffer      func(result uintptr) unsafe.Pointer
	length      func(result uintptr) uintptr
	failure     func(result uintptr) string
	rowsRead    func(result uintptr) uint64
	bytesRead   func(result uintptr) uint64
	rowsWritten func(result uintptr) uint64

	insert        func(session uintptr, text unsafe.Pointer, textLen uintptr, format unsafe.Pointer, formatLen uintptr) uintptr
	insertAppend  func(insert uintptr, data unsafe.Pointer, n uintptr) int32
	insertDone    func(insert uintptr) uintptr
	insertCancel  func(insert uintptr)
	insertFailure func(insert uintptr) string
	insertDestroy func(insert uintptr)
}

// Open loads the library file for a data folder, which is made if it is missing.
// Go keeps the process's signals.
func Open(file, path string) (*Library, error) {
	handle, err := purego.Dlopen(file, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load the ClickHouse library: %w", err)
	}
	l := &Library{path: path}
	for name, function := range l.symbols() {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("the ClickHouse library %s is not of the version this program is written for: %w", file, err)
		}
		purego.RegisterFunc(function, address)
	}
	l.signals(0)
	return l, nil
}

func (l *Library) symbols() map[string]any {
	return map[string]any{
		"chdb_set_signal_handlers_enabled": &l.signals,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.close,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.stream,
		"chdb_stream_fetch_result":         &l.fetch,
		"chdb_stream_cancel_query":         &l.cancel,
		"chdb_classify_query_n":            &l.classify,
		"chdb_destroy_query_result":        &l.destroy,
		"chdb_result_buffer":               &l.buffer,
		"chdb_result_length":               &l.length,
		"chdb_result_error":                &l.failure,
		"chdb_result_storage_rows_read":    &l.rowsRead,
		"chdb_result_storage_bytes_read":   &l.bytesRead,
		"chdb_result_rows_written":         &l.rowsWritten,
		"chdb_stream_insert_n":             &l.insert,
		"chdb_stream_append":               &l.insertAppend,
		"chdb_stream_done":                 &l.insertDone,
		"chdb_stream_cancel_insert":        &l.insertCancel,
		"chdb_stream_insert_error":         &l.insertFailure,
		"chdb_destroy_insert_stream":       &l.insertDestroy,
	}
}

// Session is one connection to the engine, for one statement at a time.
type Session struct {
	lib    *Library
	owner  uintptr // what close takes
	handle uintptr // what statements take
}

// Connect opens a session. The first one starts the engine; while one is open the
// engine stays. Settings are made with SET: connect ignores unknown arguments and
// answers bad ones without a reason.
func (l *Library) Connect() (*Session, error) {
	arguments := [][]byte{[]byte("clickhouse\x00"), []byte("--path=" + l.path + "\x00")}
	var pin runtime.Pinner
	defer pin.Unpin()
	pointers := make([]*byte, len(arguments)+1) // the last stays nil, as in C
	for i, argument := range arguments {
		pin.Pin(&argument[0])
		pointers[i] = &argument[0]
	}
	pin.Pin(&pointers[0])
	owner := l.connect(int32(len(arguments)), unsafe.Pointer(&pointers[0]))
	if owner == 0 {
		return nil, errors.New("the ClickHouse library opened no session: is its data folder in use by another process?")
	}
	return &Session{lib: l, owner: owner, handle: **(**uintptr)(unsafe.Pointer(&owner))}, nil
}

// Close ends the session.
func (s *Session) Close() {
	if s.owner != 0 {
		s.lib.close(s.owner)
		s.owner = 0
	}
}
