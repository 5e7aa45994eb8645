// SPDX-License-Identifier: Apache-2.0
//
// Imports an OVA into vCenter's simulator (govmomi's) by govmomi's own calls,
// which are those of "govc import.ova": it reads the descriptor, has vCenter
// make a specification of it, has it make the VM, and uploads the disks.
//
// In: OVA, GIB of the data disk.  Out: status 0 if the VM is what the archive
// is to be, or what is wrong; nothing is left.  Runs in:
// tests/system/test-export.sh.
package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/nfc"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// ovfManager is the simulator's, which dies of a disk that no file is for: it
// gets an empty reference to one.
type ovfManager struct {
	*simulator.OvfManager
}

var disk = regexp.MustCompile(`<Disk\s[^>]*>`)

func (m *ovfManager) CreateImportSpec(ctx *simulator.Context,
	req *types.CreateImportSpec) soap.HasFault {
	r := *req
	r.OvfDescriptor = disk.ReplaceAllStringFunc(r.OvfDescriptor,
		func(d string) string {
			if strings.Contains(d, "ovf:fileRef=") {
				return d
			}
			return `<Disk ovf:fileRef="" ` + d[len("<Disk"):]
		})
	return m.OvfManager.CreateImportSpec(ctx, &r)
}

// open finds the member of an OVA that a pattern matches; close the second.
func open(ova, pattern string) (*tar.Reader, *os.File, int64, error) {
	f, err := os.Open(ova)
	if err != nil {
		return nil, nil, 0, err
	}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err != nil {
			f.Close()
			return nil, nil, 0, fmt.Errorf("%s: %w", pattern, err)
		}
		if match, _ := path.Match(pattern, h.Name); match {
			return r, f, h.Size, nil
		}
	}
}

func upload(ctx context.Context, lease *nfc.Lease, ova string,
	item nfc.FileItem) error {
	r, f, size, err := open(ova, item.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if size != item.Size {
		return fmt.Errorf("%s has %d bytes, the descriptor says %d",
			item.Path, size, item.Size)
	}
	return lease.Upload(ctx, item, r, soap.Upload{ContentLength: size})
}

// importOVA returns the VM that it made.
func importOVA(ctx context.Context, client *govmomi.Client, ova string) (
	*mo.VirtualMachine, error) {
	finder := find.NewFinder(client.Client, true)
	dc, err := finder.DefaultDatacenter(ctx)
	if err != nil {
		return nil, err
	}
	finder.SetDatacenter(dc)
	pool, err := finder.ResourcePool(ctx, "DC0_H0/Resources")
	if err != nil {
		return nil, err
	}
	store, err := finder.DefaultDatastore(ctx)
	if err != nil {
		return nil, err
	}
	network, err := finder.Network(ctx, "DC0_DVPG0")
	if err != nil {
		return nil, err
	}

	r, f, _, err := open(ova, "*.ovf")
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(r)
	f.Close()
	if err != nil {
		return nil, err
	}
	e, err := ovf.Unmarshal(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	params := types.OvfCreateImportSpecParams{
		EntityName:       *e.VirtualSystem.Name,
		DiskProvisioning: "thin",
	}
	for _, n := range e.Network.Networks {
		params.NetworkMapping = append(params.NetworkMapping,
			types.OvfNetworkMapping{Name: n.Name,
				Network: network.Reference()})
	}
	spec, err := ovf.NewManager(client.Client).CreateImportSpec(ctx,
		string(text), pool, store, params)
	if err != nil {
		return nil, err
	}
	for _, fault := range append(spec.Error, spec.Warning...) {
		return nil, errors.New(fault.LocalizedMessage)
	}
	lease, err := pool.ImportVApp(ctx, spec.ImportSpec, nil, nil)
	if err != nil {
		return nil, err
	}
	info, err := lease.Wait(ctx, spec.FileItem)
	if err != nil {
		return nil, err
	}
	if len(info.Items) != len(e.References) {
		return nil, fmt.Errorf("%d files are asked for, of %d",
			len(info.Items), len(e.References))
	}
	updater := lease.StartUpdater(ctx, info)
	defer updater.Done()
	for _, item := range info.Items {
		if err := upload(ctx, lease, ova, item); err != nil {
			return nil, err
		}
	}
	var vm mo.VirtualMachine
	err = object.NewVirtualMachine(client.Client, info.Entity).Properties(ctx,
		info.Entity, []string{"name", "config"}, &vm)
	if err != nil {
		return nil, err
	}
	return &vm, lease.Complete(ctx)
}

// describe says what a VM is, a line for each thing.
func describe(vm *mo.VirtualMachine) string {
	var b strings.Builder
	c := vm.Config
	fmt.Fprintf(&b, "%s %s %s\n", vm.Name, c.Version, c.GuestId)
	fmt.Fprintf(&b, "%d processors, %d MiB\n", c.Hardware.NumCPU,
		c.Hardware.MemoryMB)
	devices := object.VirtualDeviceList(c.Hardware.Device)
	for _, d := range devices {
		v := d.GetVirtualDevice()
		switch d := d.(type) {
		case *types.VirtualDisk:
			fmt.Fprintf(&b, "disk %d at %s, %d MiB\n", *v.UnitNumber,
				devices.Type(devices.FindByKey(v.ControllerKey)),
				d.CapacityInKB>>10)
		case *types.VirtualCdrom:
			fmt.Fprintf(&b, "CD-ROM at %s\n",
				devices.Type(devices.FindByKey(v.ControllerKey)))
		case *types.VirtualVmxnet3:
			_, mapped := v.Backing.(*types.
				VirtualEthernetCardDistributedVirtualPortBackingInfo)
			fmt.Fprintf(&b, "vmxnet3, mapped: %t\n", mapped)
		}
	}
	return b.String()
}

func run(ova, gib string) error {
	ctx := context.Background()
	model := simulator.VPX()
	model.Cluster = 0
	model.Machine = 0
	if err := model.Create(); err != nil {
		return err
	}
	defer model.Remove()
	model.Service.TLS = new(tls.Config)
	server := model.Service.NewServer()
	defer server.Close()
	client, err := govmomi.NewClient(ctx, server.URL, true)
	if err != nil {
		return err
	}
	ref := *client.ServiceContent.OvfManager
	simulator.Map.Put(&ovfManager{
		simulator.Map.Get(ref).(*simulator.OvfManager)})

	r, f, _, err := open(ova, "*-disk1.vmdk")
	if err != nil {
		return err
	}
	// See Virtual Disk Format 5.0: sectors, at 12.
	header := make([]byte, 20)
	_, err = io.ReadFull(r, header)
	f.Close()
	if err != nil {
		return err
	}
	root := (int64(header[12]) | int64(header[13])<<8 |
		int64(header[14])<<16 | int64(header[15])<<24) >> 11
	data, err := strconv.ParseInt(gib, 10, 64)
	if err != nil {
		return err
	}

	vm, err := importOVA(ctx, client, ova)
	if err != nil {
		return err
	}
	want := fmt.Sprintf(`sluice-proxy vmx-14 debian10_64Guest
2 processors, 2048 MiB
CD-ROM at ide
disk 0 at pvscsi, %d MiB
disk 1 at pvscsi, %d MiB
vmxnet3, mapped: true
`, root, data<<10)
	if is := describe(vm); is != want {
		return fmt.Errorf("the VM is\n%sand not\n%s", is, want)
	}
	return nil
}

func main() {
	log.SetOutput(io.Discard)
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: import-ova OVA GIB")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "import-ova: %s\n", err)
		os.Exit(1)
	}
}
