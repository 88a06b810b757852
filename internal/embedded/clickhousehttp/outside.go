package clickhousehttp

import "regexp"

// outside finds what would leave the data folder: the engine runs with this user's
// rights and forbids nothing by itself. The text is searched as it is, so a string
// literal that looks like such a call is refused too; rows of inserts are not text.
var outside = regexp.MustCompile("(?is)" +
	`\b(file|url|s3|gcs|cosn|oss|hdfs|azureBlobStorage|iceberg\w*|deltaLake\w*|hudi\w*|paimon\w*` +
	`|fileCluster|urlCluster|s3Cluster|hdfsCluster|azureBlobStorageCluster` +
	`|remote|remoteSecure|mysql|postgresql|sqlite|mongodb|redis|jdbc|odbc|arrowFlight|ytsaurus` +
	`|executable|python|disk|http)` +
	"[`\"]?" + `(\s|/\*.*?\*/|--[^\n]*\n)*\(` +
	`|\bINTO\s+OUTFILE\b|\bFROM\s+INFILE\b`)

func refuseOutside(text string) error {
	if found := outside.FindString(text); found != "" {
		return exception(497, "ACCESS_DENIED", "The embedded ClickHouse reaches nothing outside its folder: %q is refused.", found)
	}
	return nil
}
