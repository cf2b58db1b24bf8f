package libvirt

import (
	"encoding/xml"
	"strings"
)

// The parts of libvirt's domain XML that the driver writes and reads. Names follow
// the elements.

type xmlDomain struct {
	XMLName  xml.Name    `xml:"domain"`
	Type     string      `xml:"type,attr"`
	Name     string      `xml:"name"`
	UUID     string      `xml:"uuid"`
	Title    string      `xml:"title,omitempty"`
	Metadata xmlMetadata `xml:"metadata"`
	Memory   xmlMemory   `xml:"memory"`
	VCPU     int         `xml:"vcpu"`
	Sysinfo  xmlSysinfo  `xml:"sysinfo"`
	OS       xmlOS       `xml:"os"`
	Features xmlFeatures `xml:"features"`
	CPU      *xmlCPU     `xml:"cpu"`
	Clock    xmlClock    `xml:"clock"`
	PowerOff string      `xml:"on_poweroff"`
	Reboot   string      `xml:"on_reboot"`
	Crash    string      `xml:"on_crash"`
	Devices  xmlDevices  `xml:"devices"`
}

// metadataSpace is the namespace of the driver's element in the metadata.
const metadataSpace = "urn:welkin:guest:1"

type xmlMetadata struct {
	Guest xmlGuest `xml:"urn:welkin:guest:1 guest"`
}

// xmlGuest holds a record as JSON.
type xmlGuest struct {
	Prefix string `xml:"prefix,attr"`
	Record string `xml:",chardata"`
}

// MarshalXML writes the element with a prefix, as libvirt demands.
func (g xmlGuest) MarshalXML(e *xml.Encoder, _ xml.StartElement) error {
	type plain xmlGuest
	return e.EncodeElement(plain(g), xml.StartElement{
		Name: xml.Name{Local: "welkin:guest"},
		Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns:welkin"}, Value: metadataSpace}},
	})
}

type xmlMemory struct {
	Unit  string `xml:"unit,attr"`
	Value int    `xml:",chardata"`
}

type xmlSysinfo struct {
	Type   string     `xml:"type,attr"`
	System []xmlEntry `xml:"system>entry"`
}

type xmlEntry struct {
	Name  string `xml:"name,attr"`
	Value string `xml:",chardata"`
}

type xmlOS struct {
	Type   xmlOSType `xml:"type"`
	SMBIOS struct {
		Mode string `xml:"mode,attr"`
	} `xml:"smbios"`
}

type xmlOSType struct {
	Arch    string `xml:"arch,attr"`
	Machine string `xml:"machine,attr"`
	Value   string `xml:",chardata"`
}

type xmlFeatures struct {
	ACPI struct{} `xml:"acpi"`
	APIC struct{} `xml:"apic"`
	TCG  *xmlTCG  `xml:"tcg"`
}

type xmlTCG struct {
	Cache xmlMemory `xml:"tb-cache"`
}

type xmlCPU struct {
	Mode  string    `xml:"mode,attr"`
	Match string    `xml:"match,attr,omitempty"`
	Check string    `xml:"check,attr,omitempty"`
	Model *xmlModel `xml:"model"`
}

type xmlModel struct {
	Fallback string `xml:"fallback,attr,omitempty"`
	Value    string `xml:",chardata"`
}

type xmlClock struct {
	Offset string `xml:"offset,attr"`
}

type xmlDevices struct {
	Disks      []xmlDisk      `xml:"disk"`
	Interfaces []xmlInterface `xml:"interface"`
	Serial     *xmlSerial     `xml:"serial"`
	Inputs     []xmlInput     `xml:"input"`
	Graphics   *xmlGraphics   `xml:"graphics"`
	Video      *xmlVideo      `xml:"video"`
	RNG        *xmlRNG        `xml:"rng"`
	Balloon    *xmlBalloon    `xml:"memballoon"`
}

type xmlDisk struct {
	XMLName  xml.Name    `xml:"disk"`
	Type     string      `xml:"type,attr"`
	Device   string      `xml:"device,attr"`
	Driver   xmlDriver   `xml:"driver"`
	Source   *xmlSource  `xml:"source"`
	Backing  *xmlBacking `xml:"backingStore"`
	Target   xmlTarget   `xml:"target"`
	ReadOnly *struct{}   `xml:"readonly"`
	Serial   string      `xml:"serial,omitempty"`
	Boot     *xmlBoot    `xml:"boot"`
	Alias    *xmlAlias   `xml:"alias"`
}

type xmlDriver struct {
	Name    string `xml:"name,attr"`
	Type    string `xml:"type,attr"`
	Cache   string `xml:"cache,attr,omitempty"`
	Discard string `xml:"discard,attr,omitempty"`
}

type xmlSource struct {
	File string `xml:"file,attr,omitempty"`
	Dev  string `xml:"dev,attr,omitempty"`
}

type xmlBacking struct {
	Type    string      `xml:"type,attr,omitempty"`
	Format  *xmlFormat  `xml:"format"`
	Source  *xmlSource  `xml:"source"`
	Backing *xmlBacking `xml:"backingStore"`
}

type xmlFormat struct {
	Type string `xml:"type,attr"`
}

type xmlTarget struct {
	Dev     string `xml:"dev,attr"`
	Bus     string `xml:"bus,attr,omitempty"`
	Managed string `xml:"managed,attr,omitempty"`
}

type xmlBoot struct {
	Order int `xml:"order,attr"`
}

type xmlAlias struct {
	Name string `xml:"name,attr"`
}

type xmlInterface struct {
	XMLName xml.Name `xml:"interface"`
	Type    string   `xml:"type,attr"`
	MAC     struct {
		Address string `xml:"address,attr"`
	} `xml:"mac"`
	Target xmlTarget `xml:"target"`
	Model  struct {
		Type string `xml:"type,attr"`
	} `xml:"model"`
	MTU   *xmlMTU   `xml:"mtu"`
	Alias *xmlAlias `xml:"alias"`
}

type xmlMTU struct {
	Size int `xml:"size,attr"`
}

type xmlSerial struct {
	Type string `xml:"type,attr"`
	Log  xmlLog `xml:"log"`
}

type xmlLog struct {
	File   string `xml:"file,attr"`
	Append string `xml:"append,attr"`
}

type xmlInput struct {
	Type string `xml:"type,attr"`
	Bus  string `xml:"bus,attr"`
}

type xmlGraphics struct {
	Type     string `xml:"type,attr"`
	Socket   string `xml:"socket,attr,omitempty"`
	AutoPort string `xml:"autoport,attr,omitempty"`
	Listen   string `xml:"listen,attr,omitempty"`
}

type xmlVideo struct {
	Model struct {
		Type string `xml:"type,attr"`
	} `xml:"model"`
}

type xmlRNG struct {
	Model   string `xml:"model,attr"`
	Backend struct {
		Model string `xml:"model,attr"`
		Path  string `xml:",chardata"`
	} `xml:"backend"`
}

type xmlBalloon struct {
	Model string `xml:"model,attr"`
}

// alias returns the user alias of a device: how the driver finds it again.
func alias(kind, id string) *xmlAlias { return &xmlAlias{Name: "ua-" + kind + "-" + id} }

// aliased returns the id in an alias of the kind.
func aliased(a *xmlAlias, kind string) (id string, ok bool) {
	if a == nil {
		return "", false
	}
	return strings.CutPrefix(a.Name, "ua-"+kind+"-")
}

// The kinds of devices in aliases.
const (
	diskKind = "disk"
	nicKind  = "nic"
)

// marshal writes an element of libvirt's XML.
func marshal(v any) (string, error) {
	out, err := xml.Marshal(v)
	return string(out), err
}
