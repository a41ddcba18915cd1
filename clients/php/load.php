<?php

// Finds the generated classes, and those of Guzzle where Debian has them; a warning is an error. Loads the files that are its
// arguments if it is run itself.

declare(strict_types=1);

set_error_handler(static function (int $level, string $warning, string $file, int $line): bool {
    throw new ErrorException($warning, 0, $level, $file, $line);
});

require_once 'GuzzleHttp/autoload.php';

spl_autoload_register(static function (string $class): void {
    $file = __DIR__ . '/client/lib/' . str_replace('\\', '/', substr($class, strlen('Amplifierd\\'))) . '.php';
    if (str_starts_with($class, 'Amplifierd\\') && is_file($file)) {
        require_once $file;
    }
});

if (realpath($argv[0]) === __FILE__) {
    foreach (array_slice($argv, 1) as $file) {
        require_once $file;
    }
}
