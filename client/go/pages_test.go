package tierwise_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestProgramOfTheReadmeRuns(t *testing.T) {
	page, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := regexp.MustCompile("(?ms)^```go\n(.*?)^```").FindAllSubmatch(page, -1)
	if len(programs) == 0 {
		t.Fatal("the page shows no program")
	}
	server, _ := connected(t)
	for _, program := range programs {
		file := filepath.Join(t.TempDir(), "main.go")
		if err := os.WriteFile(file, program[1], 0o600); err != nil {
			t.Fatal(err)
		}
		run := exec.Command("go", "run", file)
		run.Env = append(os.Environ(), "TIERWISE_ENDPOINT="+server.Endpoint())
		said, err := run.CombinedOutput()
		if err != nil || !strings.Contains(string(said), "Hello from the fake server.") {
			t.Errorf("it ended with %v and said\n%s", err, said)
		}
	}
}

// publicNames returns what the packages in these folders export: names, and fields and methods as Type.Name.
func publicNames(t *testing.T, folders ...string) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			prefix := ""
			if folder != "." {
				prefix = file.Name.Name + "."
			}
			for _, declaration := range file.Decls {
				addNames(names, prefix, declaration)
			}
		}
	}
	return names
}

func addNames(names map[string]bool, prefix string, declaration ast.Decl) {
	if function, ok := declaration.(*ast.FuncDecl); ok {
		names[prefix+receiver(function)+function.Name.Name] = true
		return
	}
	for _, spec := range declaration.(*ast.GenDecl).Specs {
		switch spec := spec.(type) {
		case *ast.ValueSpec:
			for _, name := range spec.Names {
				names[prefix+name.Name] = true
			}
		case *ast.TypeSpec:
			names[prefix+spec.Name.Name] = true
			if structure, ok := spec.Type.(*ast.StructType); ok {
				for _, field := range structure.Fields.List {
					for _, name := range field.Names {
						names[prefix+spec.Name.Name+"."+name.Name] = true
					}
				}
			}
		}
	}
}

func receiver(function *ast.FuncDecl) string {
	if function.Recv == nil {
		return ""
	}
	kind := function.Recv.List[0].Type
	if pointer, ok := kind.(*ast.StarExpr); ok {
		kind = pointer.X
	}
	return kind.(*ast.Ident).Name + "."
}

func TestEveryNameOfTheParityTableIsHere(t *testing.T) {
	page, err := os.ReadFile("../README.md")
	if err != nil {
		t.Skip("the page is in the repository only")
	}
	_, rest, _ := strings.Cut(string(page), "\n## Parity\n")
	table, _, _ := strings.Cut(rest, "\n## ")
	header := regexp.MustCompile(`(?m)^\| what \|.*$`).FindString(table)
	column := slices.Index(strings.Split(header, "|"), " Go ")
	if column < 0 {
		t.Fatal("the table has no column for Go")
	}
	names := publicNames(t, ".", "tierwisetest")
	rows := 0
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) <= column || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| what ") {
			continue
		}
		rows++
		said := regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[column], -1)
		if len(said) == 0 {
			t.Errorf("nothing for%s", cells[1])
		}
		for _, name := range said {
			if !names[name[1]] {
				t.Errorf("there is no %s for%s", name[1], cells[1])
			}
		}
	}
	if rows < 19 {
		t.Errorf("the table has %d rows", rows)
	}
}
