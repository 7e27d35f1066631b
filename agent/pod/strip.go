package pod

import (
	"strings"

	core "k8s.io/api/core/v1"
)

// maxText bounds a label's or annotation's value, bytes.
const maxText = 1024

// wanted leaves of the annotations those that are told.
func (w *Watch) wanted(annotations map[string]string) map[string]string {
	kept := map[string]string{}
	for key, value := range annotations {
		told := key == hashAnnotation || strings.HasPrefix(key, resourcePrefix) || w.options.Annotations != nil && w.options.Annotations(key)
		if told && len(value) <= maxText {
			kept[key] = value
		}
	}
	return kept
}

func images(list []core.Container) []core.Container {
	out := make([]core.Container, len(list))
	for i := range list {
		out[i].Name, out[i].Image = list[i].Name, list[i].Image
	}
	return out
}

func names(list []core.ContainerStatus) []core.ContainerStatus {
	out := make([]core.ContainerStatus, len(list))
	for i := range list {
		out[i].Name, out[i].Image, out[i].ContainerID = list[i].Name, list[i].Image, list[i].ContainerID
	}
	return out
}
