package tierwise

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	tierwisev1 "tierwise.dev/proto/tierwise/v1"
)

// constants returns the words of every type of words.go.
func constants(t *testing.T) map[string][]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "words.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	words := map[string][]string{}
	ast.Inspect(file, func(node ast.Node) bool {
		spec, ok := node.(*ast.ValueSpec)
		if !ok || spec.Type == nil {
			return true
		}
		text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		kind := spec.Type.(*ast.Ident).Name
		words[kind] = append(words[kind], text)
		return true
	})
	return words
}

func TestWordsAreTheContracts(t *testing.T) {
	enums := []protoreflect.Enum{
		tierwisev1.FinishReason(0), tierwisev1.Acceptance(0), tierwisev1.CallKind(0), tierwisev1.CallStatus(0),
		tierwisev1.CounterfactualBasis(0), tierwisev1.CheckOutcome(0), tierwisev1.EscalationReason(0),
		tierwisev1.RoutingRule(0), tierwisev1.RoutingAdjustment(0), tierwisev1.ErrorReason(0),
		tierwisev1.DraftDelivery(0),
	}
	ours := constants(t)
	for _, enum := range enums {
		name := string(enum.Descriptor().Name())
		var want []string
		for i := range enum.Descriptor().Values().Len() {
			number := enum.Descriptor().Values().Get(i).Number()
			want = append(want, word[string](enum.Type().New(number)))
		}
		if name == "DraftDelivery" {
			// A wish is made or not; there is no wish for UNSPECIFIED.
			want = want[1:]
		}
		slices.Sort(want)
		slices.Sort(ours[name])
		if !slices.Equal(want, ours[name]) {
			t.Errorf("%s has the words %v; the contract has %v", name, ours[name], want)
		}
		delete(ours, name)
	}
	if len(ours) > 0 {
		t.Errorf("the contract does not have %v", slices.Collect(maps.Keys(ours)))
	}
}

func TestWordThatIsNewerThanTheClientIsUnspecified(t *testing.T) {
	if got := word[CallKind](tierwisev1.CallKind(1000)); got != CallKindUnspecified {
		t.Errorf("got %q", got)
	}
}
