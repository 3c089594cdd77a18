/* test-html.c - what passes as plain HTML: pandas' tables; and what does not: every trick we know.
 */
#include "wire/html.h"

#include "base/buf.h"
#include "base/tap.h"
#include "wire/css.h"
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static cb_part
s_part (const char *text)
{
    return (cb_part){text, strlen (text)};
}

static const char s_pandas[] =
    "<div>\n<style scoped>\n    .dataframe tbody tr th:only-of-type {\n        vertical-align: "
    "middle;\n    }\n\n    .dataframe tbody tr th {\n        vertical-align: top;\n    }\n\n    "
    ".dataframe thead th {\n        text-align: right;\n    }\n</style>\n<table border=\"1\" "
    "class=\"dataframe\">\n  <thead>\n    <tr style=\"text-align: right;\">\n      <th></th>\n     "
    " "
    "<th>a</th>\n    </tr>\n  </thead>\n  <tbody>\n    <tr>\n      <th>0</th>\n      <td>1 &lt; 2 "
    "&amp; 3</td>\n    </tr>\n  </tbody>\n</table>\n<p>1 rows \xc3\x97 1 columns</p>\n</div>";

static const char s_styler[] =
    "<style type=\"text/css\">\n#T_8b2c4_row0_col0, #T_8b2c4_row1_col1 {\n  background-color: "
    "#440154;\n  color: #f1f1f1;\n}\n#T_8b2c4_row0_col1 {\n  width: 10em;\n  background: "
    "linear-gradient(90deg, rgba(1, 2, 3, 0.5) 40.0%, transparent 40.0%);\n}\n</style>\n<table "
    "id=\"T_8b2c4\">\n  <thead>\n    <tr>\n      <th class=\"blank level0\" >&nbsp;</th>\n      "
    "<th "
    "id=\"T_8b2c4_level0_col0\" class=\"col_heading level0 col0\" >a</th>\n    </tr>\n  </thead>\n "
    " "
    "<tbody>\n    <tr>\n      <th id=\"T_8b2c4_level0_row0\" class=\"row_heading level0 row0\" >0"
    "</th>\n      <td id=\"T_8b2c4_row0_col0\" class=\"data row0 col0\" >1</td>\n    </tr>\n  "
    "</tbody>\n</table>\n";

static const char *const s_known[] = {
    "",
    "text, 1 < 2, 3 <= 4, a & b, &lt;script&gt;",
    s_pandas,
    s_styler,
    "<b>bold</b><BR><br/><hr /><I>x</I >",
    "<table border=1><tr><td colspan=2 nowrap align='right'>x</td></tr></table>",
    "<a href=\"https://example.org/?a=1&amp;b=2#c\" target=\"_blank\" rel=\"noopener "
    "noreferrer\">x</a>",
    "<a href='mailto:a@example.org'>x</a>",
    "<img src=\"data:image/png;base64,iVBORw0KGgo=\" width=\"20\" alt=\"a, b\"/>",
    "<!-- generated --><p style=\"color: red; font-family: 'Courier New', monospace\">x</p>",
    "<ol start=3 type=a><li value=\"3\">x</li></ol>",
    "<details open><summary>more</summary><pre>x</pre></details>",
    "<progress value='3' max='10'></progress>",
    "<span title=\"it's &quot;said&quot; javascript:alert(1) onclick=x\">x</span>",
    "<div><style>.dataframe > thead > tr > th, .dataframe > tbody > tr > td { text-align: right; "
    "white-space: pre-wrap; }</style><small>shape: (1, 1)</small></div>",
};

static const char *const s_unknown[] = {
    /* scripts */
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</script>",
    "<script/x>alert(1)</script>",
    "<script",
    "</script>",
    "<svg><script>alert(1)</script></svg>",
    "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<svg><a xlink:href=\"javascript:alert(1)\"><text x=1 y=1>x</text></a></svg>",
    "<svg><use href=\"data:image/svg+xml,<svg id='x' "
    "xmlns='http://www.w3.org/2000/svg'/>#x\"/></svg>",
    "<svg><foreignObject><body onload=alert(1)></foreignObject></svg>",
    "<math><mi xlink:href=\"javascript:alert(1)\">x</mi></math>",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 "
    "onerror=alert(1)&gt;\">",
    /* handlers */
    "<img src=x onerror=alert(1)>",
    "<img src=data:image/png;base64,AAAA onerror=alert(1)>",
    "<IMG/SRC=x/ONERROR=alert(1)>",
    "<b onmouseover=alert(1)>x</b>",
    "<b\nonclick\n=\nalert(1)>x</b>",
    "<b\x0conclick=alert(1)>x</b>",
    "<b/onclick=alert(1)>x</b>",
    "<b \"onclick=alert(1)\">x</b>",
    "<b title=\"x\"onclick=alert(1)>x</b>",
    "<b title='x' onclick='alert(1)'>x</b>",
    "<b title=x`onclick=alert(1)`>x</b>",
    "<body onload=alert(1)>",
    "<details ontoggle=alert(1) open>x</details>",
    "<input autofocus onfocus=alert(1)>",
    "<video><source onerror=alert(1)></video>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<table onload=alert(1)></table>",
    "<div onpointerrawupdate=alert(1)>x</div>",
    /* addresses */
    "<a href=\"javascript:alert(1)\">x</a>",
    "<a href=\"JaVaScRiPt:alert(1)\">x</a>",
    "<a href=\" javascript:alert(1)\">x</a>",
    "<a href=\"\x01javascript:alert(1)\">x</a>",
    "<a href=\"java\tscript:alert(1)\">x</a>",
    "<a href=\"java&#10;script:alert(1)\">x</a>",
    "<a href=\"&#106;avascript:alert(1)\">x</a>",
    "<a href=\"javascript&colon;alert(1)\">x</a>",
    "<a href=\"vbscript:x\">x</a>",
    "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
    "<a href=\"data:text/html;base64,PHNjcmlwdD4=\">x</a>",
    "<a href=\"/terminals/new\">x</a>",
    "<a href=\"//evil.example/\">x</a>",
    "<a href=\"#x\">x</a>",
    "<a href=\"file:///etc/passwd\">x</a>",
    "<a href=\"blob:x\">x</a>",
    "<a href=\"https://x/\" ping=\"/terminals/new\">x</a>",
    "<a href=\"https://x/\" download>x</a>",
    "<a href=\"https://x/\" target=\"_top\">x</a>",
    "<img src=\"/terminals/new\">",
    "<img src=\"http://localhost:8888/terminals/new\">",
    "<img src=\"data:image/svg+xml;base64,PHN2Zz4=\">",
    "<img src=\"data:image/png,x\">",
    "<img srcset=\"/terminals/new 1x\">",
    "<img lowsrc=x>",
    "<img src=\"data:image/png;base64,AAAA\" usemap=\"#x\">",
    "<table background=\"/terminals/new\"></table>",
    "<td background=x></td>",
    "<blockquote cite=\"javascript:alert(1)\">x</blockquote>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<link rel=prefetch href=/terminals/new>",
    "<base href=//evil.example/>",
    "<meta http-equiv=refresh content=\"0;url=/terminals/new\">",
    "<iframe src=/terminals/new></iframe>",
    "<iframe srcdoc=\"<script>parent.alert(1)</script>\"></iframe>",
    "<object data=\"javascript:alert(1)\"></object>",
    "<embed src=x>",
    "<applet code=x></applet>",
    "<form action=/api/terminals method=post><input type=submit></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<isindex action=javascript:alert(1)>",
    "<audio src=x></audio>",
    "<video poster=/terminals/new></video>",
    "<frameset><frame src=x></frameset>",
    "<area href=javascript:alert(1)>",
    "<portal src=x>",
    /* contents that are read in another way */
    "<textarea><b></textarea>",
    "<title><b></title>",
    "<xmp><b></xmp>",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\"></noscript>",
    "<noembed><b></noembed>",
    "<noframes><b></noframes>",
    "<plaintext>",
    "<template><script>alert(1)</script></template>",
    "<select><option><style></select><img src=x onerror=alert(1)></style>",
    "<listing>&lt;img src=x onerror=alert(1)&gt;</listing>",
    "<style><style/><img src=x onerror=alert(1)></style>",
    "<style></style><img src=x onerror=alert(1)>",
    "<style><!--</style><img src=x onerror=alert(1)>--></style>",
    "<style>.dataframe{}</style ><b>x</b>",
    "<style>.dataframe{}",
    "<b title=\"</style><img src=x onerror=alert(1)>\">x</b>",
    "<b title=\"/>\">x</b>",
    "<b title='<script>'>x</b>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!---><img src=x onerror=alert(1)>-->",
    "<!-- --!><img src=x onerror=alert(1)> -->",
    "<!-- <b> -->",
    "<!-- a - b -->",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<!doctype html>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version=\"1.0\"?>",
    "<?import namespace=t implementation=#default#time2>",
    "<%00script>alert(1)</%00script>",
    "<b title=\"x\x01\">x</b>",
    "\x01",
    /* what is not closed, or not as it was opened */
    "<b",
    "<b title=\"x",
    "<b title=x",
    "<b>",
    "</b>",
    "<b><i></b></i>",
    "</div></div></div><b>x</b>",
    "<br></br>",
    "<",
    "</",
    "<!",
    "<!--",
    "<!-- x",
    "<b/>x</b>",
    "<div/>",
    "<br/ >",
    "<b title = \"x\">x</b>",
    "<b =x>x</b>",
    "<b title=>x</b>",
    "< b>x</ b>",
    /* CSS */
    "<p style=\"background:url(/terminals/new)\">x</p>",
    "<p style=\"background:URL('/terminals/new')\">x</p>",
    "<p style=\"background:u\\72l(/x)\">x</p>",
    "<p style=\"background:&#117;rl(/x)\">x</p>",
    "<p style=\"background:image-set('/x' 1x)\">x</p>",
    "<p style=\"width:expression(alert(1))\">x</p>",
    "<p style=\"behavior:url(x.htc)\">x</p>",
    "<p style=\"-moz-binding:url(x)\">x</p>",
    "<p style=\"position:fixed;top:0\">x</p>",
    "<p style=\"posi/**/tion:fixed\">x</p>",
    "<p style=\"margin:-1000px\">x</p>",
    "<p style=\"margin:calc(0px - 9px)\">x</p>",
    "<p style=\"color:var(--x)\">x</p>",
    "<p style=\"color:red;}body{display:none\">x</p>",
    "<p style=\"color\">x</p>",
    "<p style=\"color:\">x</p>",
    "<p style=\"z-index:9\">x</p>",
    "<p style=\"transform:scale(9)\">x</p>",
    "<p style=\"color:rgb(1,2,3\">x</p>",
    "<style>@import url(//evil.example/x.css);</style>",
    "<style>@import '//evil.example/x.css';</style>",
    "<style>body{display:none}</style>",
    "<style>*{display:none}</style>",
    "<style>.dataframe, #notebook{display:none}</style>",
    "<style>.dataframes{display:none}</style>",
    "<style>.dataframe ~ div{display:none}</style>",
    "<style>.dataframe[title^=a]{color:red}</style>",
    "<style>.dataframe{color:red} body{color:red}</style>",
    "<style>.dataframe{body & {color:red}}</style>",
    "<style>.dataframe:is(a,body){color:red}</style>",
    "<style>.dataframe{background:url(x)}</style>",
    "<style>.dataframe{content:'x'}</style>",
    "<style>.dataframe{color:red",
    "<style>/**/.dataframe{color:red}</style>",
    "<style onload=alert(1)></style>",
    "<style media=x></style>",
    /* what the page's own scripts and styles go by */
    "<div class=\"jp-Cell\">x</div>",
    "<div class=\"btn run_this_cell\">x</div>",
    "<div class=\"col99999999999999999999\">x</div>",
    "<div class=\"dataframe\tx\">x</div>",
    "<div id=\"notebook\">x</div>",
    "<div id=\"T_\">x</div>",
    "<div name=\"x\">x</div>",
    "<b data-commandlinker-command=\"terminal:create-new\">x</b>",
    "<b data-toggle=\"tooltip\" data-html=\"true\" title=\"x\">x</b>",
    "<b contenteditable>x</b>",
    "<b tabindex=1 accesskey=x>x</b>",
    "<b is=\"x-y\">x</b>",
    "<b slot=x>x</b>",
    "<b popover>x</b>",
    "<b xmlns=\"http://www.w3.org/1999/xhtml\">x</b>",
    "<b xml:lang=en>x</b>",
    "<x-y>x</x-y>",
    "<b\xc2\xa0title=x>x</b>",
    "<\xc5\xbf"
    "cript>alert(1)</script>",
    "<input type=image src=x>",
    "<label for=x>x</label>",
    "<dialog open>x</dialog>",
    "<slot>x</slot>",
    "<keygen autofocus onfocus=alert(1)>",
};

static void
s_test_lists (void)
{
    for (size_t i = 0; i < sizeof s_known / sizeof s_known[0]; i++)
        ok (cb_html_is_plain (s_part (s_known[i])), "known (%zu)", i);
    for (size_t i = 0; i < sizeof s_unknown / sizeof s_unknown[0]; i++)
        ok (!cb_html_is_plain (s_part (s_unknown[i])), "not known (%zu)", i);
}

/* Each tag of a table with one byte changed, left out or put in: never one that a naive reader
 * would find more tags in. */
static int
s_has_foreign (cb_part text)
{
    for (size_t i = 0; i + 1 < text.size; i++) {
        char c = text.data[i + 1];
        if (text.data[i] != '<' || !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
            continue;
        const char *name = text.data + i + 1;
        size_t known = 0;
        for (size_t t = 0; cb_html_tag (t) != NULL; t++) {
            size_t size = strlen (cb_html_tag (t));
            known |= strncasecmp (name, cb_html_tag (t), size) == 0 &&
                     strchr (" \t\n\r/>", name[size]) != NULL;
        }
        if (!known)
            return 1;
    }
    return 0;
}

static void
s_test_mutants (void)
{
    static const char bytes[] = "<>/\"'=& \n-!x`\\;:{}()";
    char text[sizeof s_styler + 1];
    size_t size = sizeof s_styler - 1;
    int foreign = 0;

    for (size_t at = 0; at < size; at++) {
        for (size_t i = 0; i + 1 < sizeof bytes; i++) {
            memcpy (text, s_styler, size);
            text[at] = bytes[i];
            foreign +=
                cb_html_is_plain ((cb_part){text, size}) && s_has_foreign ((cb_part){text, size});
        }
        memcpy (text, s_styler, at);
        memcpy (text + at, s_styler + at + 1, size - at - 1);
        foreign += cb_html_is_plain ((cb_part){text, size - 1}) &&
                   s_has_foreign ((cb_part){text, size - 1});
    }
    ok (foreign == 0, "no mutant of a table has a tag that is not known");
}

static void
s_test_bounds (void)
{
    enum { SIZE = 1024 * 1024 };
    static const char *const units[] = {
        "<b>", "<b title=\"", "<!-- ", "<style>", "a(",
        "&",   "<",           "\"",    "<b></b>", "<a href=\"http://"};
    char *text = malloc (SIZE);
    int slow = 0;

    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t unit = strlen (units[u]);
        for (size_t i = 0; i < SIZE; i++)
            text[i] = units[u][i % unit];
        clock_t before = clock ();
        (void)cb_html_is_plain ((cb_part){text, SIZE});
        (void)cb_css_is_style ((cb_part){text, SIZE});
        (void)cb_css_is_sheet ((cb_part){text, SIZE});
        (void)cb_frame_lacks ((cb_part){text, SIZE});
        slow += clock () - before > 5 * CLOCKS_PER_SEC;
    }
    ok (slow == 0, "1 MiB of anything take processor time in proportion");
    char deep[3 * (CB_HTML_DEPTH_MAX + 1) + 1] = "";
    for (int i = 0; i <= CB_HTML_DEPTH_MAX; i++)
        memcpy (deep + 3 * i, "<b>", 4);
    ok (!cb_html_is_plain (s_part (deep)), "deeper than %d elements", CB_HTML_DEPTH_MAX);
    free (text);
}

static void
s_test_nul (void)
{
    static const char script[] = "<scr\0ipt>alert(1)</scr\0ipt>";
    static const char text[] = "a\0b";
    static const char tag[] = "<b\0>x</b>";
    static const char sheet[] = "<style>\0.dataframe{}</style>";

    ok (!cb_html_is_plain ((cb_part){script, sizeof script - 1}) &&
            !cb_html_is_plain ((cb_part){text, sizeof text - 1}) &&
            !cb_html_is_plain ((cb_part){tag, sizeof tag - 1}) &&
            !cb_html_is_plain ((cb_part){sheet, sizeof sheet - 1}),
        "zero bytes");
}

static const struct {
    cb_frame_kind kind;
    const char *text;
    const char *has;
} s_frames[] = {
    {CB_FRAME_HTML, "<script>a\"b'c`d&e</script>",
     "&lt;script&gt;a&quot;b&#39;c&#96;d&amp;e&lt;/script&gt;\"></iframe>"},
    {CB_FRAME_HTML, "\"></iframe><script>alert(1)</script>",
     "&quot;&gt;&lt;/iframe&gt;&lt;script&gt;"},
    {CB_FRAME_HTML, "x", "default-src &#39;none&#39;"},
    {CB_FRAME_HTML, "<p>1<p>2<p>3<p>4", "width:100%;height:170px"},
    {CB_FRAME_HTML, "\x01", "&lt;/style&gt; "},
    {CB_FRAME_SVG, "<svg width='100' height=\"50\"></svg>", "width:102px;height:52px"},
    {CB_FRAME_SVG,
     "<?xml version='1.0'?>\n<svg height=\"288pt\"\nviewBox=\"0 0 432 288\"\nwidth="
     "\"432pt\">",
     "width:578px;height:386px"},
    {CB_FRAME_SVG, "<svg viewBox=\"0,0,40,20\">", "width:42px;height:22px"},
    {CB_FRAME_SVG, "<svg width=\"100%\">", "width:302px;height:152px"},
    {CB_FRAME_SVG, "<svg width=\"1e99\" height=\"nan\">", "width:2002px;height:152px"},
    {CB_FRAME_SVG, "<svg width=\"-5\" height=\"0x10", "width:302px;height:152px"},
    {CB_FRAME_SVG, "", "width:302px"},
};

static void
s_test_frames (void)
{
    for (size_t i = 0; i < sizeof s_frames / sizeof s_frames[0]; i++) {
        cb_buf frame;
        cb_buf_init (&frame, 1 << 16);
        int result = cb_frame_put (&frame, s_frames[i].kind, s_part (s_frames[i].text), NULL);
        ok (result == 0 && strstr (frame.data, s_frames[i].has) != NULL &&
                strncmp (frame.data, cb_frame_begin, strlen (cb_frame_begin)) == 0,
            "frame (%zu)", i);
        cb_buf_done (&frame);
    }
    ok (cb_frame_lacks (s_part ("<p><SCRIPT>")) &&
            cb_frame_lacks (s_part ("<img src=\"http://x\">")) &&
            cb_frame_lacks (s_part ("<img SRC=x>")) && !cb_frame_lacks (s_part ("<b>x = 3</b>")) &&
            !cb_frame_lacks (s_part ("<img src='data:image/png,x'>")) &&
            !cb_frame_lacks (s_part ("=")),
        "what a frame does not give");
}

int
main (void)
{
    s_test_lists ();
    s_test_mutants ();
    s_test_bounds ();
    s_test_nul ();
    s_test_frames ();
    return tap_done ();
}
