/**
 * What the authors of YAKE publish of it: two texts and the 20 best keywords of each with their scores, from the page of
 * their own program (github.com/LIAAD/yake, README.md, at 03d82fb): at most three words, duplicates over 0.9, window 1.
 * The English text is the example of their paper (Information Sciences 509, 2020).
 */

export const google = {
  language: "en",
  text: `Sources tell us that Google is acquiring Kaggle, a platform that hosts data science and machine learning competitions. Details about the transaction remain somewhat vague, but given that Google is hosting its Cloud Next conference in San Francisco this week, the official announcement could come as early as tomorrow. Reached by phone, Kaggle co-founder CEO Anthony Goldbloom declined to deny that the acquisition is happening. Google itself declined 'to comment on rumors'. Kaggle, which has about half a million data scientists on its platform, was founded by Goldbloom  and Ben Hamner in 2010. The service got an early start and even though it has a few competitors like DrivenData, TopCoder and HackerRank, it has managed to stay well ahead of them by focusing on its specific niche. The service is basically the de facto home for running data science and machine learning competitions. With Kaggle, Google is buying one of the largest and most active communities for data scientists - and with that, it will get increased mindshare in this community, too (though it already has plenty of that thanks to Tensorflow and other projects). Kaggle has a bit of a history with Google, too, but that's pretty recent. Earlier this month, Google and Kaggle teamed up to host a $100,000 machine learning competition around classifying YouTube videos. That competition had some deep integrations with the Google Cloud Platform, too. Our understanding is that Google will keep the service running - likely under its current name. While the acquisition is probably more about Kaggle's community than technology, Kaggle did build some interesting tools for hosting its competition and 'kernels', too. On Kaggle, kernels are basically the source code for analyzing data sets and developers can share this code on the platform (the company previously called them 'scripts'). Like similar competition-centric sites, Kaggle also runs a job board, too. It's unclear what Google will do with that part of the service. According to Crunchbase, Kaggle raised $12.5 million (though PitchBook says it's $12.75) since its   launch in 2010. Investors in Kaggle include Index Ventures, SV Angel, Max Levchin, Naval Ravikant, Google chief economist Hal Varian, Khosla Ventures and Yuri Milner `,
  keywords: [
    ["google", 0.026580863364597897],
    ["kaggle", 0.0289005976239829],
    ["ceo anthony goldbloom", 0.029946071606210194],
    ["san francisco", 0.048810837074825336],
    ["anthony goldbloom declined", 0.06176910090701819],
    ["google cloud platform", 0.06261974476422487],
    ["co-founder ceo anthony", 0.07357749587020043],
    ["acquiring kaggle", 0.08723571551039863],
    ["ceo anthony", 0.08915156857226395],
    ["anthony goldbloom", 0.09123482372372106],
    ["machine learning", 0.09147989238151344],
    ["kaggle co-founder ceo", 0.093805063905847],
    ["data", 0.097574333771058],
    ["google cloud", 0.10260128641464673],
    ["machine learning competitions", 0.10773000650607861],
    ["francisco this week", 0.11519915079240485],
    ["platform", 0.1183512305596321],
    ["conference in san", 0.12392066376108138],
    ["service", 0.12546743261462942],
    ["goldbloom", 0.14611408778815776]
  ]
} as const

export const historias = {
  language: "pt",
  text: `"Conta-me Histórias." Xutos inspiram projeto premiado. A plataforma "Conta-me Histórias" foi distinguida com o Prémio Arquivo.pt, atribuído a trabalhos inovadores de investigação ou aplicação de recursos preservados da Web, através dos serviços de pesquisa e acesso disponibilizados publicamente pelo Arquivo.pt . Nesta plataforma em desenvolvimento, o utilizador pode pesquisar sobre qualquer tema e ainda executar alguns exemplos predefinidos. Como forma de garantir a pluralidade e diversidade de fontes de informação, esta são utilizadas 24 fontes de notícias eletrónicas, incluindo a TSF. Uma versão experimental (beta) do "Conta-me Histórias" está disponível aqui.
A plataforma foi desenvolvida por Ricardo Campos investigador do LIAAD do INESC TEC e docente do Instituto Politécnico de Tomar, Arian Pasquali e Vitor Mangaravite, também investigadores do LIAAD do INESC TEC, Alípio Jorge, coordenador do LIAAD do INESC TEC e docente na Faculdade de Ciências da Universidade do Porto, e Adam Jatwot docente da Universidade de Kyoto.`,
  keywords: [
    ["conta-me histórias", 0.006225012963810038],
    ["liaad do inesc", 0.01899063587015275],
    ["inesc tec", 0.01995432290332246],
    ["conta-me", 0.04513273690417472],
    ["histórias", 0.04513273690417472],
    ["prémio arquivo.pt", 0.05749361520927859],
    ["liaad", 0.07738867367929901],
    ["inesc", 0.07738867367929901],
    ["tec", 0.08109398065524037],
    ["xutos inspiram projeto", 0.08720742489353424],
    ["inspiram projeto premiado", 0.08720742489353424],
    ["adam jatwot docente", 0.09407053486771558],
    ["arquivo.pt", 0.10261392141666957],
    ["alípio jorge", 0.12190479662535166],
    ["ciências da universidade", 0.12368384021490342],
    ["ricardo campos investigador", 0.12789997272332762],
    ["politécnico de tomar", 0.13323587141127738],
    ["arian pasquali", 0.13323587141127738],
    ["vitor mangaravite", 0.13323587141127738],
    ["preservados da web", 0.13596322680882506]
  ]
} as const
