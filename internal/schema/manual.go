package schema

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/sluice-gateway/sluice/internal/config"
)

// Manual returns the Markdown table of the options type t: one row for each
// key, those of inner objects as keys[].name or limits.<name>. source is the
// text of the file that declares t. A type without keys gives "".
func Manual(t reflect.Type, source string) (string, error) {
	root, err := Root(t, source)
	if err != nil {
		return "", fmt.Errorf("manual of %s: %w", t, err)
	}
	var b strings.Builder
	root.rows(&b, "")
	if b.Len() == 0 {
		return "", nil
	}
	return "| Key | Type | Default | Bounds | Description |\n|---|---|---|---|---|\n" + b.String(), nil
}

// rows writes the rows of what is within f, whose own key is path.
func (f Field) rows(b *strings.Builder, path string) {
	if f.Item != nil {
		inner := path + "[]"
		if f.Shape == config.MapShape {
			inner = strings.TrimPrefix(path+".<name>", ".")
		}
		f.Item.rows(b, inner)
	}
	for _, field := range f.Fields {
		name := field.Name
		if name == "*" {
			name = "<name>"
		}
		if path != "" {
			name = path + "." + name
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", name, field.typeCell(), field.defaultCell(), field.boundsCell(), cell(field.Doc))
		if field.Name == "*" {
			field.Item.rows(b, name)
			continue
		}
		field.rows(b, name)
	}
}

func (f Field) typeCell() string {
	if f.Item != nil && f.Item.Scope != "" {
		return fmt.Sprintf("%s, see [%ss](core.md#%[2]ss)", f.Type, strings.TrimPrefix(f.Item.Scope, "async_"))
	}
	if f.Recursive || f.Item != nil && f.Item.Recursive {
		return f.Type + ", as above"
	}
	return f.Type
}

// defaultCell returns the default as the configuration writes it.
func (f Field) defaultCell() string {
	switch {
	case f.Default != nil:
		text, err := json.Marshal(f.Default)
		if err != nil {
			panic(fmt.Sprintf("schema: the default of %s: %v", f.Name, err))
		}
		return cell("`" + string(text) + "`")
	case f.Shape == config.BoolShape && !f.Required:
		return "`false`"
	}
	return ""
}

func (f Field) boundsCell() string {
	var parts []string
	if f.Required {
		parts = append(parts, "required")
	}
	if f.Deprecated {
		parts = append(parts, "deprecated")
	}
	if f.NonEmpty {
		parts = append(parts, "not empty")
	}
	if f.Secret {
		parts = append(parts, "secret, never shown")
	}
	unit := ""
	switch f.Shape {
	case config.TextShape:
		unit = " characters"
	case config.ListShape, config.MapShape:
		unit = " entries"
	}
	switch {
	case f.Min != nil && f.Max != nil:
		parts = append(parts, f.number(*f.Min)+" to "+f.number(*f.Max)+unit)
	case f.Min != nil:
		parts = append(parts, "at least "+f.number(*f.Min)+unit)
	case f.Max != nil:
		parts = append(parts, "at most "+f.number(*f.Max)+unit)
	}
	if f.Unique {
		parts = append(parts, "entries differ")
	}
	if name := map[string]string{
		"url": "http or https URL", "ip": "IP address", "cidr": "address range", "regexp": "regular expression", "token": "token of RFC 9110",
	}[f.Format]; name != "" {
		parts = append(parts, name)
	}
	values := f.Enum
	if f.Item != nil && f.Item.Enum != nil {
		values = f.Item.Enum
	}
	if values != nil {
		parts = append(parts, "one of `"+strings.Join(values, "`, `")+"`")
	}
	if f.Keys != nil {
		parts = append(parts, "keys `"+strings.Join(f.Keys, "`, `")+"`")
	}
	return cell(strings.Join(parts, "; "))
}

func (f Field) number(v float64) string {
	if f.Shape == config.DurationShape {
		return config.Duration(v).String()
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// cell makes text fit into a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n\n", "<br><br>", "\n", "<br>").Replace(text)
}
