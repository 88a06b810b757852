// Package demo shows the whole idea at work in one process: five services take
// commands over HTTP and publish events, projectors fold them into views and facts, one
// query answers a screen that needs data of four services, and a check proves that
// every view is the fold of the log.
//
//	stores ─▶ services ─▶ load over HTTP, watched ─▶ shop stops ─▶ all caught up ─▶
//	a screen, a report, the proof, the summary
package demo
