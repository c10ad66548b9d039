#pragma once

#include <array>
#include <string_view>

namespace globalmart::generator {

/// The 100 categories of the shop; product number n is of category (n - 1) modulo 100. They are
/// the rows of `globalmart.categories`.
inline constexpr std::array<std::string_view, 100> kCategories = {
    // Electronics
    "Smartphones", "Laptops", "Tablets", "Desktops", "Monitors", "Keyboards", "Mice", "Headphones",
    "Loudspeakers", "Cameras", "Smart Watches", "Fitness Bands", "Consoles", "VR Glasses", "Drones",
    "Printers", "Scanners", "Hard Disks", "Memory Sticks", "Webcams",
    // Fashion
    "T-Shirts", "Jeans", "Jackets", "Shoes", "Dresses", "Blouses", "Skirts", "Suits", "Coats",
    "Children's Wear", "Baby Wear", "Sportswear", "Swimwear", "Underwear", "Socks", "Belts", "Hats",
    "Scarves", "Gloves", "Handbags",
    // Home
    "Sofas", "Bed Linen", "Curtains", "Rugs", "Lamps", "Kitchen Machines", "Cookware", "Plates",
    "Cutlery", "Glasses", "Shelving", "Cleaning", "Ornaments", "Pictures", "Mirrors", "Bathroom",
    "Towels", "Pillows", "Blankets", "Mattresses",
    // Beauty
    "Skin Care", "Hair Care", "Make-Up", "Perfume", "Nail Care", "Shaving", "Bath", "Oral Care",
    "Hygiene", "Beauty Tools",
    // Sports
    "Running Shoes", "Bicycles", "Yoga", "Dumbbells", "Treadmills", "Balls", "Camping", "Hiking",
    "Fishing", "Gym Equipment",
    // Toys
    "Puzzles", "Board Games", "Dolls", "Building Bricks", "Model Cars", "Soft Toys", "Figures",
    "Learning Toys", "Garden Toys", "Music Toys", "Crafts",
    // Media
    "Novels", "Non-Fiction", "Audiobooks", "E-Books", "Magazines", "Films", "CDs", "Vinyl",
    "Video Games"};

/// Neighbouring categories that the same people like.
struct CategoryGroup {
  std::string_view name;
  uint8_t first;
  uint8_t count;
};

inline constexpr std::array<CategoryGroup, 7> kCategoryGroups = {{{"Electronics", 0, 20},
                                                                  {"Fashion", 20, 20},
                                                                  {"Home", 40, 20},
                                                                  {"Beauty", 60, 10},
                                                                  {"Sports", 70, 10},
                                                                  {"Toys", 80, 11},
                                                                  {"Media", 91, 9}}};

inline constexpr std::array<std::string_view, 5> kCountries = {"USA", "UK", "Germany", "France",
                                                               "Japan"};
inline constexpr std::array<std::string_view, 5> kPaymentMethods = {
    "Credit Card", "Debit Card", "PayPal", "Apple Pay", "Google Pay"};
inline constexpr std::array<std::string_view, 6> kAgeRanges = {"18-24", "25-34", "35-44",
                                                               "45-54", "55-64", "65+"};
inline constexpr std::array<std::string_view, 8> kStyles = {
    "Classic", "Modern", "Deluxe", "Eco", "Premium", "Compact", "Sport", "Urban"};

/// What people type besides names of categories and styles; already escaped for JSON, some with
/// characters beyond ASCII, since shops see them.
inline constexpr std::array<std::string_view, 16> kSearchWords = {
    "phone",          "laptop",     "camera",
    "jeans",          "dress",      "shoes",
    "lamp",           "sofa",       "gift",
    "bike",           "kitchen",    "caf\u00e9 table",
    "27\\\" monitor", "M\u00fctze", "\u304a\u3082\u3061\u3083",
    "LAPTOP"};

}  // namespace globalmart::generator
