package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// byChance is the class of faults that nobody thought of.
const byChance = "chance"

// randomFaults makes n faults that nobody thought of, out of all the places in
// package rewrite where an operator, a number or a statement can be another.
// Many change nothing that can be seen but the length of the code: what survives
// is for a person to look at.
func randomFaults(seed uint64, n int) ([]*fault, error) {
	files, err := filepath.Glob("rewrite/*.go")
	if err != nil {
		return nil, err
	}
	var all []*fault
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		some, err := mutations(file)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all[:min(n, len(all))], nil
}

// others are operators that stand where another could.
var others = map[token.Token]token.Token{
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.ADD, token.AND: token.OR, token.OR: token.AND,
	token.AND_NOT: token.AND, token.SHL: token.SHR, token.SHR: token.SHL, token.LAND: token.LOR, token.LOR: token.LAND,
	token.EQL: token.NEQ, token.NEQ: token.EQL, token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
	token.ADD_ASSIGN: token.SUB_ASSIGN, token.SUB_ASSIGN: token.ADD_ASSIGN, token.OR_ASSIGN: token.AND_ASSIGN,
	token.AND_ASSIGN: token.OR_ASSIGN, token.AND_NOT_ASSIGN: token.AND_ASSIGN, token.INC: token.DEC, token.DEC: token.INC,
}

// mutations lists what can be changed in a file.
func mutations(file string) ([]*fault, error) {
	source, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	set := token.NewFileSet()
	tree, err := parser.ParseFile(set, file, source, 0)
	if err != nil {
		return nil, err
	}
	var out []*fault
	replace := func(from, to token.Pos, with string) {
		a, b := set.Position(from), set.Position(to)
		was := string(source[a.Offset:b.Offset])
		out = append(out, &fault{
			Name:  fmt.Sprintf("%s:%d: %s -> %s", filepath.Base(file), a.Line, short(was), short(with)),
			Class: byChance, File: file, at: a.Offset, Old: was, New: with,
		})
	}
	operator := func(op token.Token, at token.Pos) {
		if other, ok := others[op]; ok {
			replace(at, at+token.Pos(len(op.String())), other.String())
		}
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch x := n.(type) {
		case *ast.GenDecl:
			return x.Tok != token.IMPORT
		case *ast.BinaryExpr:
			operator(x.Op, x.OpPos)
		case *ast.AssignStmt:
			operator(x.Tok, x.TokPos)
		case *ast.IncDecStmt:
			operator(x.Tok, x.TokPos)
		case *ast.BasicLit:
			if v, err := strconv.ParseUint(x.Value, 0, 32); err == nil && x.Kind == token.INT {
				replace(x.Pos(), x.End(), fmt.Sprint(v+1))
			}
		case *ast.ExprStmt:
			if _, ok := x.X.(*ast.CallExpr); ok {
				replace(x.Pos(), x.End(), "")
			}
		case *ast.UnaryExpr:
			if x.Op == token.NOT {
				replace(x.Pos(), x.Pos()+1, "")
			}
		}
		return true
	})
	return out, nil
}

func short(code string) string {
	code = strings.Join(strings.Fields(code), " ")
	if len(code) > 50 {
		code = code[:47] + "..."
	}
	return strconv.Quote(code)
}
