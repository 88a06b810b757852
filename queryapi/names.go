package queryapi

import "strings"

// camel turns a column's name into a field's: "buyer_id" into "buyerId".
func camel(name string) string {
	parts := strings.Split(name, "_")
	for i, p := range parts[1:] {
		parts[i+1] = capital(p)
	}
	return strings.Join(parts, "")
}

// pascal turns a view's name into a type's: "order_line" into "OrderLine".
func pascal(name string) string { return capital(camel(name)) }

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// lowerFirst turns a Go field's name into a GraphQL one: "OrderID" into "orderId",
// "URL" into "url".
func lowerFirst(name string) string {
	isUpper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	out := []byte(name)
	for i := range out {
		inner := i > 0 && isUpper(i-1) && (isUpper(i+1) || i+1 == len(name))
		if isUpper(i) && (i == 0 || inner) {
			out[i] += 'a' - 'A'
		}
	}
	return string(out)
}

// plural is a list's name. Where English forms none, the list says so.
func plural(name string) string {
	ends := func(suffixes ...string) bool {
		for _, s := range suffixes {
			if strings.HasSuffix(name, s) {
				return true
			}
		}
		return false
	}
	switch {
	case ends("ss", "x", "ch", "sh"):
		return name + "es"
	case ends("s"):
		return name + "List"
	case ends("y") && !ends("ay", "ey", "oy", "uy"):
		return name[:len(name)-1] + "ies"
	}
	return name + "s"
}
