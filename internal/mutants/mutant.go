package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// mutant is one patch.
type mutant struct {
	name string
	// file is the patch's absolute path.
	file string
	why  string
	target
}

// target is the test that must kill a mutant.
type target struct{ pkg, test string }

var (
	testName = regexp.MustCompile(`^(Test|Fuzz|Example)[A-Za-z0-9_]*$`)
	pkgName  = regexp.MustCompile(`^\.(/[a-z0-9_]+)+$`)
)

// readMutants reads the patches that cfg asks for and tells all their faults at once.
func readMutants(cfg config) ([]mutant, error) {
	dir, err := filepath.Abs(filepath.Join(cfg.repo, cfg.patches))
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.patch"))
	if err != nil {
		return nil, err
	}
	var mutants []mutant
	var errs []error
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".patch")
		if len(cfg.names) > 0 && !slices.Contains(cfg.names, name) {
			continue
		}
		m, err := readMutant(name, file)
		errs = append(errs, err)
		mutants = append(mutants, m)
	}
	for _, name := range cfg.names {
		if !slices.ContainsFunc(mutants, func(m mutant) bool { return m.name == name }) {
			errs = append(errs, fmt.Errorf("there is no mutant %q in %s", name, dir))
		}
	}
	if len(files) == 0 {
		errs = append(errs, fmt.Errorf("there is no *.patch in %s", dir))
	}
	return mutants, errors.Join(errs...)
}

func readMutant(name, file string) (mutant, error) {
	m := mutant{name: name, file: file}
	f, err := os.Open(file)
	if err != nil {
		return m, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() && strings.HasPrefix(lines.Text(), "#") {
		field, value, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(lines.Text(), "#")), ":")
		switch value = strings.TrimSpace(value); field {
		case "Why":
			m.why = value
		case "Test":
			m.pkg, m.test, _ = strings.Cut(value, " ")
		}
	}
	if err := lines.Err(); err != nil {
		return m, fmt.Errorf("read %s: %w", file, err)
	}
	return m, m.check()
}

func (m mutant) check() error {
	if m.why == "" {
		return fmt.Errorf("%s: the header has no line `# Why: what goes wrong`", m.file)
	}
	if !pkgName.MatchString(m.pkg) || !testName.MatchString(m.test) {
		return fmt.Errorf("%s: the header has no line `# Test: ./package TestName` (found package %q, test %q)", m.file, m.pkg, m.test)
	}
	return nil
}
