<?php
// What a PHP application holds: associative arrays, objects, strings, parsed documents.
ini_set('memory_limit', '-1');
class Product {
    public array $attributes = [];
    public ?Product $parent = null;
    public function __construct(public int $id, public string $name, public float $price) {}
}
$products = [];
for ($n = 0; $n < 15000; $n++) {
    $product = new Product($n, 'Product ' . ($n * 7919 % 10007), $n / 4);
    $product->attributes = ['color' => ['red', 'green', 'blue'][$n % 3], 'size' => $n % 50, 'sku' => sprintf('%08x', crc32((string) $n))];
    $product->parent = $products[intdiv($n, 2)] ?? null;
    $products[] = $product;
}
$words = [];
foreach ([...glob('/usr/share/common-licenses/*'), ...glob('/usr/include/*.h')] as $path) {
    foreach (preg_split('/\W+/', file_get_contents($path)) as $at => $word) {
        $words[$word][] = $at;
    }
}
$decoded = json_decode(json_encode(array_slice($products, 0, 200)), true);
$floats = array_map('sqrt', range(0, 50000));
echo "corpus: ready\n";
sleep(3600);
