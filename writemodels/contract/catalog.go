package contract

// ProductAdded puts a product on sale. Stream: product-<id>.
type ProductAdded struct {
	ProductID string `json:"productId"`
	Name      string `json:"name" personal:"none"`
	Brand     string `json:"brand"`
	Category  string `json:"category"`
	Price     Money  `json:"price"`
	Stock     int    `json:"stock"`
}

// ProductRenamed gives a product a new name.
type ProductRenamed struct {
	ProductID string `json:"productId"`
	Name      string `json:"name" personal:"none"`
}

// ProductPriceChanged gives a product a new price. Version 1 had bare minor units
// of an implied euro.
type ProductPriceChanged struct {
	ProductID string `json:"productId"`
	Old       Money  `json:"old"`
	New       Money  `json:"new"`
}

// ProductReplenished adds pieces to a product's stock.
type ProductReplenished struct {
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
}

// ProductDiscontinued takes a product off sale. Orders that hold it keep it.
type ProductDiscontinued struct {
	ProductID string `json:"productId"`
}

// StockLine is a number of pieces of one product.
type StockLine struct {
	ProductID string `json:"productId"`
	Quantity  int    `json:"quantity"`
}

// MissingLine is a product of which an order wants more than there is.
type MissingLine struct {
	ProductID string `json:"productId"`
	Requested int    `json:"requested"`
	Available int    `json:"available"`
}

// StockConfirmed is published when an order's pieces were taken from stock. Stream: stock-<order id>.
type StockConfirmed struct {
	OrderID string      `json:"orderId"`
	Lines   []StockLine `json:"lines"`
}

// StockRejected is published when an order wants more than there is; nothing was taken.
type StockRejected struct {
	OrderID string        `json:"orderId"`
	Missing []MissingLine `json:"missing"`
}

// StockReleased is published when a cancelled order's pieces were put back into stock.
type StockReleased struct {
	OrderID string      `json:"orderId"`
	Lines   []StockLine `json:"lines"`
}

func (ProductAdded) EventType() (string, int)        { return "catalog.ProductAdded", 1 }
func (ProductRenamed) EventType() (string, int)      { return "catalog.ProductRenamed", 1 }
func (ProductPriceChanged) EventType() (string, int) { return "catalog.ProductPriceChanged", 2 }
func (ProductReplenished) EventType() (string, int)  { return "catalog.ProductReplenished", 1 }
func (ProductDiscontinued) EventType() (string, int) { return "catalog.ProductDiscontinued", 1 }
func (StockConfirmed) EventType() (string, int)      { return "catalog.StockConfirmed", 1 }
func (StockRejected) EventType() (string, int)       { return "catalog.StockRejected", 1 }
func (StockReleased) EventType() (string, int)       { return "catalog.StockReleased", 1 }
