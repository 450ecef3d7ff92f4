/* Prints layouts as JSON, as C or C++ sees them. structs.inc is generated, see tables.py. */
#include <multimodal.h>
#include <stdio.h>

#ifdef __cplusplus
#define ALIGNMENT(type) alignof(type)
#else
#define ALIGNMENT(type)  \
    offsetof(            \
        struct {         \
            char before; \
            type it;     \
        },               \
        it)
#endif
#define STRUCT_BEGIN(type)                                                                             \
    printf("%s\"%s\": {\"size\": %d, \"align\": %d, \"fields\": {", between, #type, (int)sizeof(type), \
           (int)ALIGNMENT(type));                                                                      \
    between = "";
#define FIELD(type, name)                                                                                   \
    printf("%s\"%s\": [%d, %d]", between, #name, (int)offsetof(type, name), (int)sizeof(((type*)0)->name)); \
    between = ", ";
#define STRUCT_END(type) printf("}}");

int main(void) {
    const char* between = "";
    printf("{");
#include "structs.inc"
    printf("}\n");
    return 0;
}
