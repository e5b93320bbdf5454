// A translation unit whose end never comes: the compiler waits with all that it made of it.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <thread>
#include <unordered_map>
#include <variant>
#include <vector>

template <int N> struct Row {
    std::map<int, std::vector<std::variant<int, double, std::string>>> cells;
    std::unordered_map<std::string, std::function<int(int)>> actions;
    std::tuple<std::array<int, N>, std::set<std::array<char, N>>> keys;
    auto sum() const {
        int total = N;
        for (const auto& [key, values] : cells) for (const auto& value : values) total += key + int(value.index());
        return total;
    }
};
template <int... N> int all(std::integer_sequence<int, N...>) { return (Row<N + 1>{}.sum() + ...); }
int main() { return all(std::make_integer_sequence<int, 120>()); }
#include "never"
