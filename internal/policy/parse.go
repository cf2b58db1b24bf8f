package policy

import (
	"strings"

	"github.com/welkin-cloud/cloud/internal/fault"
)

// maxDepth bounds the nesting of parentheses and "not" in a check string.
const maxDepth = 64

// Op is what an expression does.
type Op int

// The operations of the rule language.
const (
	Always Op = iota // "@" or nothing at all
	Never            // "!"
	Term             // kind:match
	Not
	And
	Or
)

// Expr is a parsed check string.
type Expr struct {
	Op    Op
	Kind  string // of a Term: what stands before its first colon
	Match string // of a Term: the rest
	Args  []*Expr
}

// Parse parses a check string of oslo.policy's rule language. "not" binds tighter
// than "and", which binds tighter than "or"; their case does not matter. An empty check
// allows everybody, one of blanks is refused, and so is one that asks another server
// ("http:…").
func Parse(text string) (*Expr, error) {
	if text == "" {
		return &Expr{Op: Always}, nil
	}
	p := parser{tokens: tokenize(text)}
	if len(p.tokens) == 0 {
		return nil, fault.New(fault.Invalid, "the check is blank; @ would allow everybody")
	}
	e, err := p.or()
	if err != nil {
		return nil, err
	}
	if p.next() != "" {
		return nil, fault.New(fault.Invalid, "%q does not belong here", p.next())
	}
	return e, nil
}

// tokenize splits at blanks and takes parentheses off the ends of words; those
// inside of a word, as in %(project_id)s, belong to it.
func tokenize(text string) []string {
	tokens := make([]string, 0, 16)
	for word := range strings.FieldsSeq(text) {
		for strings.HasPrefix(word, "(") {
			tokens, word = append(tokens, "("), word[1:]
		}
		bare := strings.TrimRight(word, ")")
		if bare != "" {
			tokens = append(tokens, bare)
		}
		for range len(word) - len(bare) {
			tokens = append(tokens, ")")
		}
	}
	return tokens
}

// parser is a recursive descent over tokens.
type parser struct {
	tokens []string
	depth  int
}

// next returns the next token without taking it, or nothing at the end.
func (p *parser) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

// take takes the next token if it is the given word, in any case.
func (p *parser) take(word string) bool {
	if !strings.EqualFold(p.next(), word) {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

// or parses a sequence of terms joined by "or".
func (p *parser) or() (*Expr, error) { return p.joined("or", Or, p.and) }

// and parses a sequence of terms joined by "and".
func (p *parser) and() (*Expr, error) { return p.joined("and", And, p.not) }

// joined parses operands that are joined by word. Nested expressions of the same
// operation are flattened, which changes nothing.
func (p *parser) joined(word string, op Op, operand func() (*Expr, error)) (*Expr, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	args := appendFlat(nil, op, first)
	for p.take(word) {
		e, err := operand()
		if err != nil {
			return nil, err
		}
		args = appendFlat(args, op, e)
	}
	if len(args) == 1 {
		return args[0], nil
	}
	return &Expr{Op: op, Args: args}, nil
}

// appendFlat appends e, or its operands if it is of the same operation.
func appendFlat(args []*Expr, op Op, e *Expr) []*Expr {
	if e.Op == op {
		return append(args, e.Args...)
	}
	return append(args, e)
}

// not parses an operand with any number of "not" before it.
func (p *parser) not() (*Expr, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, fault.New(fault.Invalid, "the check is nested too deeply")
	}
	if !p.take("not") {
		return p.operand()
	}
	e, err := p.not()
	if err != nil {
		return nil, err
	}
	return &Expr{Op: Not, Args: []*Expr{e}}, nil
}

// operand parses a term or an expression in parentheses.
func (p *parser) operand() (*Expr, error) {
	if p.take("(") {
		e, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, fault.New(fault.Invalid, "a closing parenthesis is missing")
		}
		return e, nil
	}
	token := p.next()
	switch strings.ToLower(token) {
	case "":
		return nil, fault.New(fault.Invalid, "the check ends where a term is expected")
	case "and", "or", ")":
		return nil, fault.New(fault.Invalid, "%q stands where a term is expected", token)
	}
	p.tokens = p.tokens[1:]
	return term(token)
}

// term parses a single word.
func term(token string) (*Expr, error) {
	switch token {
	case "@":
		return &Expr{Op: Always}, nil
	case "!":
		return &Expr{Op: Never}, nil
	}
	kind, match, ok := strings.Cut(token, ":")
	switch quoted := token[0] == '"' || token[0] == '\''; {
	case quoted && len(token) > 1 && token[len(token)-1] == token[0]:
		return nil, fault.New(fault.Invalid, "%s is text alone, which is no check", token)
	case !ok || kind == "" || match == "":
		return nil, fault.New(fault.Invalid, "%q is not of the form kind:match", token)
	case kind == "http" || kind == "https":
		return nil, fault.New(fault.Invalid, "%q would ask another server, which is not supported", token)
	}
	return &Expr{Op: Term, Kind: kind, Match: match}, nil
}

// String writes the expression as a check string that parses to the same.
func (e *Expr) String() string {
	switch e.Op {
	case Always:
		return "@"
	case Never:
		return "!"
	case Not:
		return "not " + e.Args[0].within(And)
	case And:
		return join(e.Args, " and ", And)
	case Or:
		return join(e.Args, " or ", Or)
	}
	return e.Kind + ":" + e.Match
}

// join writes operands of op with the word between them.
func join(args []*Expr, word string, op Op) string {
	parts := make([]string, len(args))
	for i, a := range args {
		parts[i] = a.within(op)
	}
	return strings.Join(parts, word)
}

// within writes e as an operand of op: in parentheses if it binds no tighter.
func (e *Expr) within(op Op) string {
	if e.Op >= op {
		return "(" + e.String() + ")"
	}
	return e.String()
}
