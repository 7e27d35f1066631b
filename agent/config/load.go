package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// prefix opens the name of every variable of weft.
const prefix = "WEFT_"

// File is the only name that has no key in the file: --config or WEFT_CONFIG name the file itself.
const (
	fileFlag     = "config"
	fileVariable = prefix + "CONFIG"
)

// item is one text as somebody gave it, not yet read. A setting has one, a list any number of them.
type item struct {
	where string // for messages
	text  string
}

// Load reads the settings from args, environ (as os.Environ gives it) and the file that they name.
//
// own adds flags of one command, such as -o, to those of the settings. Flags and other arguments may be mixed;
// rest are the other arguments in their order, all of them after "--". The error is flag.ErrHelp for -h and --help,
// else all faults joined, each of which names its place, the value and what is allowed.
// Output is never auto in what Load gives.
func Load(args, environ []string, own ...func(*flag.FlagSet)) (c Config, rest []string, err error) {
	flags, rest, err := readFlags(args, own)
	if err != nil {
		return Config{}, nil, err
	}
	variables, faults := readEnviron(environ)
	values, file, fileFaults := readNamedFile(flags, variables)
	faults = append(faults, fileFaults...)
	for _, layer := range []map[string][]item{variables, flags} {
		for key, v := range layer {
			values[key] = v
		}
	}
	c = Default()
	c.File = file
	faults = append(faults, apply(&c, values)...)
	faults = append(faults, c.addStandard(environ)...)
	if err := errors.Join(faults...); err != nil {
		return Config{}, nil, err
	}
	return c, rest, nil
}

// apply reads the values into c and tells those that are not allowed.
func apply(c *Config, values map[string][]item) (faults []error) {
	for i := range settings {
		s := &settings[i]
		items, ok := values[s.key]
		if !ok {
			continue
		}
		texts := make([]string, len(items))
		for i := range items {
			texts[i] = items[i].text
		}
		if bad := s.set(c, texts); bad != allRight {
			faults = append(faults, s.fault(items[bad].where, items[bad].text))
		}
	}
	return faults
}

func readFlags(args []string, own []func(*flag.FlagSet)) (values map[string][]item, rest []string, err error) {
	values = map[string][]item{}
	set := flag.NewFlagSet("weft", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	set.Func(fileFlag, "", func(text string) error {
		values[fileFlag] = []item{{text: text}}
		return nil
	})
	for i := range settings {
		s := &settings[i]
		set.Func(s.flag(), "", func(text string) error {
			items := s.items("--"+s.flag(), text)
			if s.list {
				items = append(values[s.key], items...)
			}
			values[s.key] = items
			return nil
		})
	}
	set.BoolFunc("no-repair", "", func(string) error {
		values["repair"] = []item{{where: "--no-repair", text: Off}}
		return nil
	})
	for _, add := range own {
		add(set)
	}
	rest, err = parseMixed(set, args)
	return values, rest, err
}

// parseMixed parses flags that stand before, between and after other arguments, and gives the others.
func parseMixed(set *flag.FlagSet, args []string) (rest []string, err error) {
	for len(args) > 0 {
		if err := set.Parse(args); err != nil {
			return nil, flagError(set, err)
		}
		parsed := args[:len(args)-set.NArg()]
		if len(parsed) > 0 && parsed[len(parsed)-1] == "--" {
			return append(rest, set.Args()...), nil
		}
		args = set.Args()
		if len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		}
	}
	return rest, nil
}

// flagError adds to the flag package's message which flags there are.
func flagError(set *flag.FlagSet, err error) error {
	unknown, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: ")
	if !ok {
		return err
	}
	var names []string
	set.VisitAll(func(f *flag.Flag) { names = append(names, dashes(f.Name)) })
	return fmt.Errorf("--%s: unknown flag, there are %s", strings.TrimLeft(unknown, "-"), strings.Join(names, ", "))
}

func dashes(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// items cuts the text of a variable or flag into the items of a list.
func (s *setting) items(where, text string) []item {
	if !s.list {
		return []item{{where, text}}
	}
	items := []item{}
	for _, part := range split(text, ',') {
		items = append(items, item{where, part})
	}
	return items
}

func readEnviron(environ []string) (values map[string][]item, faults []error) {
	values = map[string][]item{}
	for _, entry := range environ {
		name, text, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, prefix) || text == "" {
			continue
		}
		if name == fileVariable {
			values[fileFlag] = []item{{text: text}}
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.variable() == name })
		if i < 0 {
			faults = append(faults, fmt.Errorf("%s: unknown variable, there are %s", name, strings.Join(variableNames(), ", ")))
			continue
		}
		values[settings[i].key] = settings[i].items(name, text)
	}
	return values, faults
}

func variableNames() []string {
	names := []string{fileVariable}
	for i := range settings {
		names = append(names, settings[i].variable())
	}
	return names
}

// readNamedFile reads the file that a flag or a variable names, if one does.
func readNamedFile(flags, variables map[string][]item) (values map[string][]item, file string, faults []error) {
	name, ok := flags[fileFlag]
	if !ok {
		name, ok = variables[fileFlag]
	}
	if !ok {
		return map[string][]item{}, "", nil
	}
	file = name[0].text
	content, err := os.ReadFile(file)
	if err != nil {
		return map[string][]item{}, file, []error{fmt.Errorf("read the configuration: %w", err)}
	}
	values, faults = readYAML(file, content)
	return values, file, faults
}
