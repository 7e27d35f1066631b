package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is a configuration file while it is read.
type document struct {
	name   string
	values map[string][]item
	faults []error
}

// readYAML gives the values that a file holds, by key. Nested mappings and dotted keys are the same.
func readYAML(name string, content []byte) (map[string][]item, []error) {
	d := document{name: name, values: map[string][]item{}}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var root, more yaml.Node
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		return d.values, nil
	case err != nil:
		return d.values, []error{fmt.Errorf("%s: %w", name, err)}
	}
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		d.add(&more, "a second document begins here, only one is read")
	}
	d.readMapping(root.Content[0], "")
	return d.values, d.faults
}

func (d *document) place(n *yaml.Node) string { return fmt.Sprintf("%s:%d", d.name, n.Line) }

func (d *document) add(n *yaml.Node, format string, args ...any) {
	d.faults = append(d.faults, fmt.Errorf(d.place(n)+": "+format, args...))
}

// readMapping reads a group of settings, whose keys begin with group.
func (d *document) readMapping(n *yaml.Node, group string) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return // all that was in it is commented out
	}
	if n.Kind != yaml.MappingNode {
		where := strings.TrimSuffix(group, ".")
		if where != "" {
			where += ": "
		}
		d.add(n, "%shere must be a mapping with %s", where, keysUnder(group))
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		d.readSetting(n.Content[i], n.Content[i+1], group+n.Content[i].Value)
	}
}

func (d *document) readSetting(name, n *yaml.Node, key string) {
	s := find(key)
	if s == nil {
		if keysUnder(key+".") != "" {
			d.readMapping(n, key+".")
			return
		}
		d.add(name, "%s: unknown key, there are %s", key, keysUnder(""))
		return
	}
	if _, twice := d.values[key]; twice {
		d.add(name, "%s: this key is there twice", key)
		return
	}
	nodes := []*yaml.Node{n}
	if s.list && n.Kind == yaml.SequenceNode {
		nodes = n.Content
	}
	items := make([]item, 0, len(nodes))
	for _, node := range nodes {
		text, ok := itemText(node, s.list)
		if !ok {
			d.add(node, "%s: this is %s, it must be %s", key, kindName(node), s.allowed)
			return
		}
		if text != "" || !s.list {
			items = append(items, item{d.place(node) + ": " + key, text})
		}
	}
	d.values[key] = items
}

// itemText gives a scalar's text, and for a mapping of scalars the text of the rule that it is.
func itemText(n *yaml.Node, rule bool) (text string, ok bool) {
	if n.Kind == yaml.ScalarNode {
		if n.Tag == "!!null" {
			return "", true
		}
		return n.Value, true
	}
	if n.Kind != yaml.MappingNode || !rule {
		return "", false
	}
	var conditions []string
	for i := 0; i+1 < len(n.Content); i += 2 {
		value, ok := partText(n.Content[i+1])
		if !ok {
			return "", false
		}
		conditions = append(conditions, n.Content[i].Value+"="+escape(value, '&'))
	}
	return strings.Join(conditions, "&"), true
}

// partText gives what one part of a rule says: a scalar, or a list of them joined by blanks.
func partText(n *yaml.Node) (text string, ok bool) {
	if n.Kind != yaml.SequenceNode {
		return n.Value, n.Kind == yaml.ScalarNode
	}
	texts := make([]string, 0, len(n.Content))
	for _, one := range n.Content {
		if one.Kind != yaml.ScalarNode {
			return "", false
		}
		texts = append(texts, one.Value)
	}
	if len(texts) == 0 {
		return none, true
	}
	return strings.Join(texts, " "), true
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	return "of another kind"
}

// keysUnder lists the keys that begin with group; empty for none.
func keysUnder(group string) string {
	var keys []string
	for i := range settings {
		if strings.HasPrefix(settings[i].key, group) {
			keys = append(keys, settings[i].key)
		}
	}
	return strings.Join(keys, ", ")
}
