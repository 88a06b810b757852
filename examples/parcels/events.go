package main

// Events of an order's stream.
type (
	OrderPlaced    struct{ OrderID, Customer string }
	OrderCancelled struct{ OrderID string }
)

// Events of an item's stream. Each names the order, and, where the item is in a package, how
// many pieces leave and enter it, so that no view has to know more than the event.
type (
	ItemAdded struct {
		ItemID, OrderID, SKU string
		Quantity             int64
	}
	// ItemPacked puts an item into a package, from another one unless From is empty.
	ItemPacked struct {
		ItemID, OrderID, PackageID, From string
		Quantity                         int64
	}
	// ItemRemoved takes an item out of the order, and out of its package unless From is empty.
	ItemRemoved struct {
		ItemID, OrderID, From string
		Quantity              int64
	}
)

// Events of a package's stream.
type (
	PackageOpened    struct{ PackageID, OrderID string }
	PackageSent      struct{ PackageID, Carrier string }
	PackageDelivered struct{ PackageID string }
)

func (OrderPlaced) EventType() (string, int)      { return "orders.OrderPlaced", 1 }
func (OrderCancelled) EventType() (string, int)   { return "orders.OrderCancelled", 1 }
func (ItemAdded) EventType() (string, int)        { return "items.ItemAdded", 1 }
func (ItemPacked) EventType() (string, int)       { return "items.ItemPacked", 1 }
func (ItemRemoved) EventType() (string, int)      { return "items.ItemRemoved", 1 }
func (PackageOpened) EventType() (string, int)    { return "packages.PackageOpened", 1 }
func (PackageSent) EventType() (string, int)      { return "packages.PackageSent", 1 }
func (PackageDelivered) EventType() (string, int) { return "packages.PackageDelivered", 1 }
