// Package service starts Readside's long-running services for the commands and the
// demo: the application's own services, the projectors, the query API. It only wires; each
// service runs until its context ends and then leaves nothing behind.
package service
