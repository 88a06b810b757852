package querytree

import "strings"

// Function is a row of the engine's system.functions.
type Function struct {
	Name, AliasTo, Category string
	Aggregate               bool
}

// categories are those of the functions that compute from their arguments alone.
var categories = set("Arithmetic", "Arrays", "Bit", "Bitmap", "Comparison", "Conditional", "Dates and Times", "Distance",
	"Encoding", "Financial", "Geo", "Geo Polygon", "Hash", "IP Address", "JSON", "Logical", "Map", "Mathematical", "Null",
	"NumericIndexedVector", "QBit", "Random Number", "Rounding", "String", "String Replacement", "String Search",
	"String Splitting", "Time Window", "Tuple", "Type Conversion", "URL", "UUID")

// others are allowed out of categories that hold all kinds of functions.
var others = set("bar", "byteSize", "blockNumber", "blockSize", "caseWithExpression", "currentDatabase", "currentUser",
	"decrypt", "defaultValueOfArgumentType", "defaultValueOfTypeName", "displayName", "dumpColumnStructure", "encrypt",
	"finalizeAggregation", "formatQuery", "formatQuerySingleLine", "formatReadableDecimalSize", "formatReadableQuantity",
	"formatReadableSize", "formatReadableTimeDelta", "getSizeOfEnumType", "getSubcolumn", "identity", "ignore", "indexHint",
	"initializeAggregation", "isConstant", "isDecimalOverflow", "countDigits", "lowCardinalityIndices", "lowCardinalityKeys",
	"materialize", "minSampleSizeContinuous", "minSampleSizeConversion", "neighbor", "normalizeQuery", "parseReadableSize",
	"parseReadableSizeOrNull", "parseReadableSizeOrZero", "parseTimeDelta", "revision", "rowNumberInAllBlocks",
	"rowNumberInBlock", "runningAccumulate", "runningDifference", "runningDifferenceStartingWithFirstValue", "throwIf",
	"toColumnTypeName", "toTypeName", "transform", "tryDecrypt", "uptime", "variantElement", "variantType", "version",
	"visibleWidth")

// notThese are refused though their category is allowed: they read more than their
// arguments, or log.
var notThese = set("logTrace", "mergeTreePartInfo", "isMergeTreePartCoveredBy", "structureToCapnProtoSchema",
	"structureToProtobufSchema", "formatRow", "formatRowNoNewline", "generateSnowflakeID", "generateSerialID", "MVTEncodeGeom")

// syntax are names that the parser makes of operators and parameters.
var syntax = set("lambda", "exists", "_CAST")

// Functions knows the engine's functions and which of them are for readers.
type Functions struct {
	known map[string]bool // by name, and by the name in small letters; true: allowed
	// combinators may end the name of an aggregate function.
	combinators []string
	aggregates  map[string]bool
}

// NewFunctions judges the engine's functions.
func NewFunctions(all []Function, combinators []string) *Functions {
	f := &Functions{known: make(map[string]bool), combinators: combinators, aggregates: make(map[string]bool)}
	byName := make(map[string]Function, len(all))
	for _, function := range all {
		byName[function.Name] = function
	}
	for _, function := range all {
		target := function
		if function.AliasTo != "" {
			target = byName[function.AliasTo]
		}
		f.note(function.Name, allowed(target))
		if target.Aggregate {
			f.aggregates[strings.ToLower(function.Name)] = true
		}
	}
	for name := range syntax {
		f.known[name] = true
	}
	return f
}

func allowed(function Function) bool {
	if notThese[function.Name] {
		return false
	}
	return function.Aggregate || categories[function.Category] || others[function.Name]
}

// note keeps a judgement under both writings; of two functions that differ in their
// letters only, both must be allowed.
func (f *Functions) note(name string, may bool) {
	for _, key := range []string{name, strings.ToLower(name)} {
		earlier, known := f.known[key]
		f.known[key] = may && (earlier || !known)
	}
}

// Allow reports whether a reader may call the function.
func (f *Functions) Allow(name string) bool {
	for _, key := range []string{name, strings.ToLower(name)} {
		if may, known := f.known[key]; known {
			return may
		}
	}
	return f.combined(name)
}

// combined reports whether a name is that of an aggregate function with combinators, as
// countIf or uniqExactStateArray.
func (f *Functions) combined(name string) bool {
	for _, combinator := range f.combinators {
		base, found := strings.CutSuffix(name, combinator)
		if found && base != "" && (f.aggregates[strings.ToLower(base)] && f.Allow(base) || f.combined(base)) {
			return true
		}
	}
	return false
}

// Deny reports whether a name is a function's that a reader may not call.
func (f *Functions) Deny(name string) bool {
	for _, key := range []string{name, strings.ToLower(name)} {
		if may, known := f.known[key]; known {
			return !may
		}
	}
	return false
}

// Allowed lists the names of the functions for readers.
func (f *Functions) Allowed() (names []string) {
	for name, may := range f.known {
		if may {
			names = append(names, name)
		}
	}
	return names
}
