/* What compilers may fuse into one rounding: a product and a sum in one expression, or in two statements. */
float in_one_expression(float a, float b, float c);
float in_two_statements(float a, float b, float c);

float in_one_expression(float a, float b, float c) {
    return a * b + c;
}

float in_two_statements(float a, float b, float c) {
    float product = a * b;
    return product + c;
}
