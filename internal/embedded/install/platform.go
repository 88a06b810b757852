package install

import (
	"path/filepath"
	"runtime"
)

// npmPlatform names this machine as npm's packages do; musl is named, since no
// package is built for it.
func npmPlatform() string {
	arch := map[string]string{"amd64": "x64", "arm64": "arm64"}[runtime.GOARCH]
	if arch == "" {
		arch = runtime.GOARCH
	}
	if runtime.GOOS == "linux" && !hasGlibc() {
		return "linux-" + arch + "-musl"
	}
	return runtime.GOOS + "-" + arch
}

// chdbPlatform names this machine as the packages of libchdb do.
func chdbPlatform() string {
	if runtime.GOOS == "linux" && hasGlibc() {
		return npmPlatform() + "-gnu"
	}
	return npmPlatform()
}

func hasGlibc() bool {
	loaders, _ := filepath.Glob("/lib*/ld-linux-*.so.*") // the pattern is well-formed
	return len(loaders) > 0
}
