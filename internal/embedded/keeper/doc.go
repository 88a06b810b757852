// Package keeper runs a store as long as the process that asked for it lives.
//
// A keeper is this same binary, started again (see RunIfChild). It makes the store's folder,
// starts the store, restarts or kills it on request, and waits on the pipe that it holds from
// its parent. When the pipe ends, because the parent has stopped or was killed, it stops the
// store, removes a temporary folder and exits: nothing stays behind.
package keeper
