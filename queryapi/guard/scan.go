package guard

import (
	"strings"

	"github.com/readside/readside/queryapi/refusal"
)

// Text counts tokens and nesting in one pass, and answers the text that is safe to
// parse: comments and byte order marks are blanked, since graphql-go's lexer counts
// them in characters where it should in bytes, and reads names behind them twice, or
// for ever. Mismatched brackets are the parser's to report: up to the first of them
// the nesting counted here is exact, and there the parser stops.
func (l Limits) Text(query string) (safe string, fault *refusal.Refusal) {
	if len(query) > l.BytesMax {
		return "", refusal.Over("bytes", l.BytesMax, len(query), "ask for less in one request, and pass values as variables")
	}
	if lines := strings.Count(query, "\n") + strings.Count(query, "\r"); lines > l.LinesMax {
		return "", refusal.Over("lines", l.LinesMax, lines, "take empty lines and comments out")
	}
	s := scanner{text: query}
	if fault := l.scan(&s); fault != nil {
		return "", fault
	}
	return s.blanked(), nil
}

func (l Limits) scan(s *scanner) *refusal.Refusal {
	var n nesting
	tokens := 0
	for {
		token := s.next()
		if token == 0 {
			return nil
		}
		if tokens++; tokens > l.TokensMax {
			return s.over("tokens", l.TokensMax, tokens, "split the query, and pass long lists as variables")
		}
		n.add(token)
		if n.open > l.NestingMax {
			return s.over("nesting", l.NestingMax, n.open, "take brackets away: no answer of this schema is that deep")
		}
		if n.literal > l.LiteralDepthMax {
			return s.over("literal_depth", l.LiteralDepthMax, n.literal, "pass the value as a variable")
		}
	}
}

// nesting counts open brackets, and those of them that stand within parentheses.
type nesting struct{ open, parens, literal int }

func (n *nesting) add(token byte) {
	switch token {
	case '(':
		n.open++
		n.parens++
	case ')':
		n.open = max(0, n.open-1)
		if n.parens = max(0, n.parens-1); n.parens == 0 {
			n.literal = 0
		}
	case '{', '[':
		n.open++
		if n.parens > 0 {
			n.literal++
		}
	case '}', ']':
		n.open = max(0, n.open-1)
		n.literal = max(0, n.literal-1)
	}
}

// scanner finds the ends of tokens and nothing more.
type scanner struct {
	text  string
	at    int
	start int      // of the last token
	blank [][2]int // what the parser must not see
}

const (
	wordToken   = 'w' // names and numbers
	stringToken = 's'
	spreadToken = '.'
)

// next is the kind of the next token: a punctuator itself, or one of the above;
// 0 at the end.
func (s *scanner) next() byte {
	s.skipIgnored()
	s.start = s.at
	if s.at >= len(s.text) {
		return 0
	}
	c := s.text[s.at]
	switch {
	case c == '"':
		s.skipString()
		return stringToken
	case isDigit(c):
		for s.at < len(s.text) && isDigit(s.text[s.at]) {
			s.at++
		}
		return wordToken
	case isWord(c):
		for s.at < len(s.text) && isWord(s.text[s.at]) {
			s.at++
		}
		return wordToken
	case strings.HasPrefix(s.text[s.at:], "..."):
		s.at += 3
		return spreadToken
	}
	s.at++
	return c
}

// isDigit reports whether numbers consist of c. Signs, points and exponents make more
// tokens of a number than there are, which only errs to the safe side.
func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isWord reports whether names consist of c, behind their first letter.
func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

const byteOrderMark = "\ufeff"

func (s *scanner) skipIgnored() {
	for s.at < len(s.text) {
		switch c := s.text[s.at]; {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',':
			s.at++
		case strings.HasPrefix(s.text[s.at:], byteOrderMark):
			s.blank = append(s.blank, [2]int{s.at, s.at + len(byteOrderMark)})
			s.at += len(byteOrderMark)
		case c == '#':
			begin := s.at
			s.skipComment()
			s.blank = append(s.blank, [2]int{begin, s.at})
		default:
			return
		}
	}
}

func (s *scanner) skipComment() {
	for s.at < len(s.text) && s.text[s.at] != '\n' && s.text[s.at] != '\r' {
		s.at++
	}
}

// blanked is the text with spaces for everything that the parser must not see, so
// that lines and columns stay.
func (s *scanner) blanked() string {
	if len(s.blank) == 0 {
		return s.text
	}
	out := []byte(s.text)
	for _, b := range s.blank {
		for i := b[0]; i < b[1]; i++ {
			out[i] = ' '
		}
	}
	return string(out)
}

const blockQuote = `"""`

// skipString passes a string. One that does not end is the parser's to report; it
// stops there, so what follows needs no guard: it ends at its line.
func (s *scanner) skipString() {
	if strings.HasPrefix(s.text[s.at:], blockQuote) {
		s.skipBlockString()
		return
	}
	for s.at++; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return
		case '\n', '\r':
			return
		}
	}
	s.at = len(s.text)
}

func (s *scanner) skipBlockString() {
	s.at += len(blockQuote)
	for s.at < len(s.text) {
		switch rest := s.text[s.at:]; {
		case strings.HasPrefix(rest, `\"""`):
			s.at += 4
		case strings.HasPrefix(rest, blockQuote):
			// Of more quotes than three in a row, the parser takes the last three.
			for s.at < len(s.text) && s.text[s.at] == '"' {
				s.at++
			}
			return
		default:
			s.at++
		}
	}
}

func (s *scanner) over(limit string, maximum, found int, hint string) *refusal.Refusal {
	r := refusal.Over(limit, maximum, found, hint)
	r.Locations = []refusal.Location{locate(s.text, s.start)}
	return r
}

// locate is a byte offset's line and column.
func locate(text string, offset int) refusal.Location {
	before := text[:min(max(0, offset), len(text))]
	line := strings.Count(before, "\n")
	return refusal.Location{Line: line + 1, Column: len(before) - strings.LastIndexByte(before, '\n')}
}
