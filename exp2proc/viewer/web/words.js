// The words of the page, English in the code; Chinese by this table. A test finds words without one.
"use strict";
const remember = (key, value) => { try { localStorage.setItem(`exp2proc-${key}`, value); } catch { /* a private window, or a notebook */ } };
const recallSetting = (key) => { try { return localStorage.getItem(`exp2proc-${key}`); } catch { return null; } };

const ZH = {
  "Input": "输入", "CoT": "CoT", "Output": "输出", "Rest": "其余",
  "tokens": "token", "words": "词", "sentences": "句", "lines": "行",
  "sum": "求和", "mean": "平均", "max": "最大",
  "linear": "线性", "log": "对数", "rank": "排名", "p99.5": "p99.5",
  "together": "整体", "apart": "分别", "beside": "并排", "difference": "差值",
  "Search in texts and names": "搜索文本和名称", "Dataset": "数据集", "Model": "模型", "Method": "方法", "Score": "分数",
  "from": "从", "to": "到", "Reset": "重置", "Sample": "样本", "Samples": "样本", "samples": "样本",
  "No sample fits these filters.": "没有符合筛选条件的样本。",
  "{0} dataset": "{0} 个数据集", "{0} datasets": "{0} 个数据集", "{0} model": "{0} 个模型", "{0} models": "{0} 个模型",
  "{0} method": "{0} 种方法", "{0} methods": "{0} 种方法", "{0} sample": "{0} 个样本", "{0} samples": "{0} 个样本",
  "{1} of {0} sample": "{0} 个样本中的 {1} 个", "{1} of {0} samples": "{0} 个样本中的 {1} 个",
  ", ": "，", "; ": "；", ".": "。", " and ": " 和 ",
  "Reading: {0} of {1}": "正在读取：{0} / {1}",
  "{0} file is not shown: it is no sample.": "有 {0} 个文件不是样本，未显示。", "{0} files are not shown: they are no samples.": "有 {0} 个文件不是样本，未显示。",
  "all datasets": "全部数据集", "all models": "全部模型", "all methods": "全部方法",
  "{0}: higher is better": "{0}：越高越好", "{0}: lower is better": "{0}：越低越好", "higher is better": "越高越好", "lower is better": "越低越好",
  "Scores": "分数", "mean ± standard error (n); best of its dataset and model in bold; {0}; – absent": "均值 ± 标准误（n）；同一数据集和模型下的最优值加粗；{0}；– 表示缺失",
  "dataset": "数据集", "model": "模型", "method": "方法", "sample": "样本", "text": "文本",
  "Show the samples of {0}": "显示 {0} 的样本", "{0} of {1}": "{0} / {1}", "histogram of {0} from {1} to {2}": "{0} 的直方图，从 {1} 到 {2}",
  "share of the mass in this part": "这一部分在归因总量（mass）中的占比", "{0}; searched {1} of {2} texts": "{0}；已搜索 {1} / {2} 条文本",
  "Attribution": "归因", "Colour scale (s)": "颜色标度 (s)", "Normalised": "归一化", "Parts": "各部分", "Shown as one": "显示单位",
  "Score of several tokens": "多个 token 的分数如何合并", "Cut-off: weights below this share of the highest are not coloured": "阈值：权重低于最高值的这一比例时不着色",
  "Another method": "另一种方法", "How two methods are shown": "两种方法的显示方式", "Find in this text": "在此文本中查找", "Take along": "导出",
  "Attribution along the tokens": "归因沿 token 的分布", "Numbers": "数值", "What is shown": "显示内容",
  "{0} is not shown: {1}.": "{0} 无法显示：{1}。", "Tokens of {0}": "{0} 的 token", "Tokens": "token 数", "CoT and output share {0}": "CoT 与输出重叠 {0} 个",
  "hop {0}": "第 {0} 跳", "row attribution": "行归因", "none": "无", "Show or hide; colours are relative to what is shown ({0})": "显示或隐藏；颜色只按显示的部分计算 ({0})",
  "no other method": "不比较", "{0} minus {1}, of shares": "{0} 减 {1}（按占比）",
  "One of the two has no hop {0}: there is no difference to show.": "其中一种方法没有第 {0} 跳，无法显示差值。", "This method has no hop {0}: nothing is coloured.": "这种方法没有第 {0} 跳，不着色。",
  "Histogram of weights up to the highest, heights logarithmic": "权重直方图，上限为最高值，高度取对数", "Legend": "图例",
  "below {0} of the highest nothing is coloured": "低于最高值的 {0} 时不着色", "gold": "gold", "tokens that hold the answer, by the traces": "trace 中标明含有答案的 token",
  "Strongest of {0}": "{0} 中最强的", "Strongest tokens": "最强的 token", "Strongest units": "最强的单位", "Nothing here has a weight.": "这里没有任何权重。",
  "Agreement": "一致性", "rank correlation": "秩相关系数", "top 10 in common": "前 10 名重合", "top 50 in common": "前 50 名重合", "Recovery of gold tokens": "gold token 的 Recovery",
  "Where the mass goes": "归因总量（mass）的去向", "Small numbers: change from the hop before, in points.": "小字：相对上一跳的变化（百分点）。",
  "tokens {0}–{1}": "token {0}–{1}", "token {0}": "token {0}", "blank": "空白", "and {0} more": "另有 {0} 个", "share of all": "占总量的比例", "vector": "向量", "shares": "占比", "not found": "未找到",
  "colours are linear in the weight": "颜色与权重成线性关系", "colours are logarithmic, over three decades": "颜色取对数，跨三个数量级", "colours are by rank": "颜色按排名",
  "colours are linear up to the 99.5th percentile; above it all are the same": "颜色在第 99.5 百分位以内为线性，超出部分颜色相同",
  "prompt": "prompt", "generation": "生成内容",
  "prompt and generation normalised together": "prompt 与生成内容整体归一化", "prompt and generation normalised apart": "prompt 与生成内容分别归一化",
  "the two side by side (d)": "两者并排 (d)", "this one minus the other, of shares (d)": "本方法减另一方法，按占比 (d)",
  "tokens, read with the arrow keys": "用方向键逐个朗读的 token",
  "Figure (SVG)": "图 (SVG)", "Picture (PNG)": "图片 (PNG)", "Tokens and scores (CSV)": "token 与分数 (CSV)", "What is shown (JSON)": "显示内容 (JSON)",
  "Copy as Markdown": "复制为 Markdown", "Copy the link": "复制链接", "Print": "打印", "Copied.": "已复制。", "This is too long for a picture: take the figure (SVG) or hide parts.": "内容太长，无法存为图片：请导出图 (SVG)，或隐藏一些部分。",
  "search": "搜索", "the next sample, the one before (or j, k)": "下一个、上一个样本（或 j、k）", "open it": "打开", "reset the filters": "重置筛选",
  "previous, next sample; inside the text: the token before, the next": "上一个、下一个样本；在文本内：上一个、下一个 token", "hop 0 to 9": "第 0 到 9 跳", "the hop before, the next": "上一跳、下一跳",
  "next colour scale": "下一种颜色标度", "normalise prompt and generation together or apart": "prompt 与生成内容整体或分别归一化", "tokens, words, sentences, lines": "token、词、句、行",
  "show or hide input, CoT, output, rest": "显示或隐藏输入、CoT、输出、其余", "the next method beside this one": "并排显示下一种方法", "side by side, or the difference": "并排，或差值", "find in this text": "在此文本中查找",
  "all samples": "所有样本", "dark or light": "深色或浅色", "English or Chinese": "英文或中文", "this list": "本快捷键列表",
  "{0} is not here.": "这里没有 {0}。", "Drop samples here": "把样本拖到这里", "npz files, a folder of them, or a zip. Nothing leaves this machine.": "npz 文件、文件夹或 zip。数据不会离开本机。",
  "Choose files": "选择文件", "What was dropped cannot be read ({0}): choose it instead.": "无法读取拖入的内容（{0}）：请改用按钮选择。", "To show other files, load this page again.": "要显示其他文件，请重新加载本页。", "Choose a folder": "选择文件夹", "There is no sample in what was given.": "所给的文件中没有样本。", "This browser is too old: use one of 2023 or later.": "浏览器版本过旧：请使用 2023 年或更新的版本。",
  "Keys": "快捷键", "Close": "关闭", "Keys (?)": "快捷键 (?)", "Dark or light (t)": "深色或浅色 (t)", "English or Chinese (l)": "英文或中文 (l)", "Previous sample (←)": "上一个样本 (←)", "Next sample (→)": "下一个样本 (→)", "All samples (g)": "所有样本 (g)",
  "it is no zip archive": "不是 zip 文件", "its zip directory is damaged": "zip 目录已损坏", "it inflates to {0} bytes, which is too much": "解压后有 {0} 字节，超出上限", "it is encrypted": "已加密", "it is cut": "文件被截断",
  "it is packed in a way that browsers do not know": "采用了浏览器不支持的压缩方式", "it holds more than it says": "实际内容比声明的多", "it is damaged": "已损坏", "it holds something that is no array": "其中有不是数组的内容",
  "it holds an array that cannot be read": "其中有无法读取的数组", "it holds text that is none": "其中的文本无效", "it inflates to more than a sample does": "解压后超出样本的大小上限", "{0} is damaged: its checksum is another": "{0} 已损坏：校验和不符",
  "it is no sample: {0} is missing": "不是样本：缺少 {0}", "it is no sample: {0} is no number": "不是样本：{0} 不是数值", "it is no sample: {0} is outside of its tokens": "不是样本：{0} 超出 token 的范围", "it is no sample: {0} and {1} differ in length": "不是样本：{0} 与 {1} 长度不一致",
  "data/{0}.js cannot be loaded": "无法加载 data/{0}.js", "data/{0}.js is damaged": "data/{0}.js 已损坏", "the server does not answer": "服务器没有响应", "it cannot be read ({0})": "无法读取（{0}）",
};

const language = recallSetting("language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
function switchLanguage() {
  remember("language", language === "zh" ? "en" : "zh");
  location.reload();
}

// `text` in the language of the page, {0}, {1} ... filled in.
function t(text, ...values) {
  const found = language === "zh" ? ZH[text] ?? text : text;
  return values.length ? found.replace(/\{(\d)\}/g, (_, n) => values[n]) : found;
}
const plural = (n, one, many, ...more) => t(n === 1 ? one : many, n, ...more);
