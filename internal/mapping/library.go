package mapping

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// maxList is the longest list that a function of the library takes.
const maxList = 10_000

// function is one function of the library. Every function whose first argument is a text or a list
// may also be written behind it: lower(x) is x.lower().
//
// CEL's own extension for text is not used: its replace and join know no bound (two texts of 64 KiB
// make one of 4 GiB before any cost is counted), and its substring fails on a text that is too
// short, which for people's names is an everyday matter.
type function struct {
	name   string
	args   []*cel.Type
	result *cel.Type
	call   func(args []ref.Val) (ref.Val, error)
}

var (
	textType  = cel.StringType
	textsType = cel.ListType(cel.StringType)
	anyOf     = cel.TypeParamType("T")
	keyOf     = cel.TypeParamType("K")
)

func takes(t ...*cel.Type) []*cel.Type { return t }

// catalogue is the library, in the order of docs/mapping.md.
var catalogue = slices.Concat(textFunctions, listFunctions, valueFunctions, dateFunctions)

// impure are the functions that depend on time or chance, allowed with when: create alone. They run
// against the facts: [Facts].Now and [Facts].Rand.
var impure = map[string]func(f *Facts, args []ref.Val) ref.Val{
	"uuid":         randomUUID,
	"randomString": randomString,
	"now":          now,
}

// ownOverload begins the overload ids of the library.
const ownOverload = "muster_"

// library declares all functions to CEL.
func library() []cel.EnvOption {
	byName := map[string][]cel.FunctionOpt{}
	var names []string
	for i, f := range catalogue {
		if byName[f.name] == nil {
			names = append(names, f.name)
		}
		id := fmt.Sprintf("%s%s_%d", ownOverload, f.name, i)
		byName[f.name] = append(byName[f.name], cel.Overload(id, f.args, f.result, f.binding()))
		if k := f.args[0].Kind(); k == types.StringKind || k == types.ListKind {
			byName[f.name] = append(byName[f.name], cel.MemberOverload(id+"_of", f.args, f.result, f.binding()))
		}
	}
	var options []cel.EnvOption
	for _, name := range names {
		options = append(options, cel.Function(name, byName[name]...))
	}
	return append(options,
		cel.Function("uuid", cel.Overload("muster_uuid", nil, textType, cel.LateFunctionBinding())),
		cel.Function("now", cel.Overload("muster_now", nil, textType, cel.LateFunctionBinding())),
		cel.Function("randomString",
			cel.Overload("muster_random", takes(cel.IntType), textType, cel.LateFunctionBinding()),
			cel.Overload("muster_random_of", takes(cel.IntType, textType), textType, cel.LateFunctionBinding())),
	)
}

func (f function) binding() cel.OverloadOpt {
	switch len(f.args) {
	case 1:
		return cel.UnaryBinding(func(a ref.Val) ref.Val { return f.run([]ref.Val{a}) })
	case 2:
		return cel.BinaryBinding(func(a, b ref.Val) ref.Val { return f.run([]ref.Val{a, b}) })
	}
	return cel.FunctionBinding(func(args ...ref.Val) ref.Val { return f.run(args) })
}

// run calls the function within its bounds.
func (f function) run(args []ref.Val) ref.Val {
	for _, a := range args {
		if err := bounded(a); err != nil {
			return types.WrapErr(faultf("%s: %s", f.name, err))
		}
	}
	v, err := f.call(args)
	if err == nil {
		err = bounded(v)
	}
	if err != nil {
		return types.WrapErr(err)
	}
	return v
}

func bounded(v ref.Val) error {
	switch v := v.(type) {
	case types.String:
		if len(v) > maxText {
			return faultf("a text is longer than 64 KiB")
		}
	case traits.Lister:
		if v.Size().(types.Int) > maxList {
			return faultf("a list has more than %d elements", maxList)
		}
	}
	return nil
}

// text1 declares a function from text to text.
func text1(name string, f func(string) string) function {
	return function{name, takes(textType), textType, func(a []ref.Val) (ref.Val, error) {
		return types.String(f(str(a[0]))), nil
	}}
}

func str(v ref.Val) string {
	s, _ := v.(types.String)
	return string(s)
}

func num(v ref.Val) int {
	n, _ := v.(types.Int)
	return int(max(min(n, 1<<31), -1<<31)) // positions; nothing is that long
}

// texts returns the elements of a list of texts.
func texts(v ref.Val) ([]string, error) {
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, faultf("it takes a list")
	}
	out := make([]string, 0, int(list.Size().(types.Int)))
	for it := list.Iterator(); it.HasNext() == types.True; {
		s, ok := it.Next().(types.String)
		if !ok {
			return nil, faultf("it takes a list of texts, and one element is none")
		}
		out = append(out, string(s))
	}
	return out, nil
}

func libraryNames() []string {
	var names []string
	for _, f := range catalogue {
		if !slices.Contains(names, f.name) {
			names = append(names, f.name)
		}
	}
	for name := range impure {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// signatureHint shows how a function of the library is called.
func signatureHint(name string) string {
	var forms []string
	for _, f := range catalogue {
		if f.name == name {
			forms = append(forms, f.signature())
		}
	}
	return strings.Join(forms, " or ")
}

func (f function) signature() string {
	args := make([]string, len(f.args))
	for i, a := range f.args {
		args[i] = typeWord(a)
	}
	return f.name + "(" + strings.Join(args, ", ") + ")"
}

// typeWord puts a type of CEL into words.
func typeWord(t *cel.Type) string {
	switch t.Kind() {
	case types.StringKind:
		return "text"
	case types.IntKind:
		return "whole number"
	case types.ListKind:
		if t.Parameters()[0].Kind() == types.StringKind {
			return "list of texts"
		}
		return "list"
	case types.MapKind:
		return "map"
	}
	return "any value"
}

// wrongCallMessage tells of a call that no overload fits; operators are told as such.
func wrongCallMessage(name, args string) string {
	args = typesInWords(args)
	if op, ok := operatorOf(name); ok {
		return fmt.Sprintf("%s cannot be used on %s", op, args)
	}
	return fmt.Sprintf("%s cannot be called with %s", name, args)
}

// celTypes are the types of CEL as its messages write them, and ours.
var celTypes = strings.NewReplacer("list(", "list of (", "map(", "map of (", "string", "text", "int", "whole number", "double", "number", "bool", "true or false", "dyn", "any value")

// typesInWords puts the types of a message of CEL into words: "(string, list(int))" is "(text, list of (whole number))".
func typesInWords(types string) string { return celTypes.Replace(types) }

func operatorOf(name string) (string, bool) {
	op := strings.Trim(name, "_@")
	return strings.ReplaceAll(op, "_", ""), name != op && op != ""
}
