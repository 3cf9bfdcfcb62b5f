package mapping

import (
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/ext"

	"github.com/muster-id/muster/internal/directory"
)

// Bounds of an expression. One step of cost is about one operation, or ten characters of text
// looked at; an ordinary mapping takes 5 to 50, a filter over a hundred groups a few hundred.
const (
	maxExpression = 10_000  // characters
	maxDepth      = 250     // nesting of an expression
	maxNodes      = 5_000   // parts of an expression, macros expanded
	maxCost       = 100_000 // steps of one evaluation
	maxMemory     = 100_000 // values, or tens of bytes, in any one value on the way
	maxRegex      = 1_000   // instructions of a compiled regular expression
)

var (
	registry = sync.OnceValue(func() *types.Registry {
		r, err := types.NewRegistry()
		if err != nil {
			panic(err) // without arguments there is nothing that can fail
		}
		return r
	})
	adapt = adapter{types.DefaultTypeAdapter}

	userEnvironment  = sync.OnceValues(func() (*cel.Env, error) { return newEnvironment("user", userRecord) })
	groupEnvironment = sync.OnceValues(func() (*cel.Env, error) { return newEnvironment("group", groupRecord) })
)

// environment returns what expressions about a kind of object are checked against. It takes
// milliseconds to make, so there is one of each for the life of the process.
func environment(kind directory.Kind) (*cel.Env, error) {
	if kind == directory.KindGroup {
		return groupEnvironment()
	}
	return userEnvironment()
}

func newEnvironment(variable string, r *record) (*cel.Env, error) {
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(adapt),
		cel.CustomTypeProvider(provider{registry()}),
		cel.StdLib(cel.StdLibSubset(withoutTimeZones())),
		cel.Variable(variable, r.typ),
		cel.Variable("app", cel.StringType),
		cel.CrossTypeNumericComparisons(true), // numbers of the directory are doubles, people write 3
		cel.DefaultUTCTimeZone(true),
		cel.ParserExpressionSizeLimit(maxExpression),
		cel.ParserRecursionLimit(maxDepth),
		cel.ExpressionNodeLimit(maxNodes),
		cel.RegexProgramSizeLimit(maxRegex),
		ext.Bindings(),
		ext.Math(),
	}
	return cel.NewCustomEnv(append(options, library()...)...)
}

// withoutTimeZones leaves out what would read the time zone files of the machine: a mapping gives the
// same result everywhere.
func withoutTimeZones() *env.LibrarySubset {
	subset := env.NewLibrarySubset()
	for name, overload := range map[string]string{
		"getFullYear": "timestamp_to_year_with_tz", "getMonth": "timestamp_to_month_with_tz",
		"getDayOfYear": "timestamp_to_day_of_year_with_tz", "getDayOfMonth": "timestamp_to_day_of_month_with_tz",
		"getDate": "timestamp_to_day_of_month_1_based_with_tz", "getDayOfWeek": "timestamp_to_day_of_week_with_tz",
		"getHours": "timestamp_to_hours_with_tz", "getMinutes": "timestamp_to_minutes_with_tz",
		"getSeconds": "timestamp_to_seconds_tz", "getMilliseconds": "timestamp_to_milliseconds_with_tz",
	} {
		subset.AddExcludedFunctions(env.NewFunction(name, env.NewOverload(overload, nil, nil)))
	}
	return subset
}

// pricing prices the calls of the library by the text and the values that they look at. CEL prices its
// own, but not where the types are known only at run time and so no overload is named: those are priced
// here too, or a search in a custom list would count as one step, however long the list.
type pricing struct {
	pattern uint64 // instructions of the largest regular expression in the expression
}

func (p pricing) CallCost(name, overload string, args []ref.Val, result ref.Val) *uint64 {
	pattern := takesPattern[name]
	if overload != "" && !pattern && !strings.HasPrefix(overload, ownOverload) {
		return nil
	}
	price := 1 + weight(result)
	for _, a := range args {
		price += weight(a)
	}
	if pattern && len(args) > 1 {
		price += weight(args[0]) * p.pattern / 4
	}
	return &price
}

func weight(v ref.Val) uint64 {
	switch v := v.(type) {
	case types.String:
		return uint64(len(v)) / 10
	case interface{ Size() ref.Val }:
		n, _ := v.Size().(types.Int)
		return uint64(n)
	}
	return 0
}

var _ cost.ActualCostEstimator = pricing{}

// programOptions bound an evaluation. Only an expression that makes lists or maps can hold more than
// its cost tells, so only those pay for having their values measured.
func programOptions(aggregates bool, pattern int) []cel.ProgramOption {
	options := []cel.ProgramOption{
		cel.EvalOptions(cel.OptOptimize),
		cel.CostTracking(pricing{uint64(pattern)}),
		cel.CostLimit(maxCost),
		cel.OptimizeRegex(compiledOnce...),
	}
	if aggregates {
		options = append(options, cel.MemoryLimit(maxMemory), cel.MemoryTracking(types.MemoryTrackerSampleInterval(64), types.MemoryTrackerSizeCalculator(
			types.NewSizeCalculator(types.SizeCalculatorMaxDepth(32), types.SizeCalculatorMaxTraversal(maxMemory)))))
	}
	return options
}
